"""The simulated account: who may call, with which keys and tokens; made once per home, kept across restarts."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.simulator.signature import Key, KeyRing

TOKEN_HOURS = 24


@dataclass(frozen=True, slots=True)
class Account:
    """One account with one IAM user, one project and one permanent key pair."""

    access_key: str
    secret_key: str
    project_id: str
    region: str
    domain: str
    domain_id: str
    user: str
    password: str
    token_key: str

    @classmethod
    def of(cls, home: Path, region: str) -> Account:
        """Return the account of a home, made at its first use."""
        path = home / "account.json"
        if path.exists():
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        account = cls(
            access_key=f"SIM{secrets.token_hex(8).upper()}",
            secret_key=secrets.token_urlsafe(30),
            project_id=secrets.token_hex(16),
            region=region,
            domain="simulated-account",
            domain_id=secrets.token_hex(16),
            user="simulated-user",
            password=secrets.token_urlsafe(18),
            token_key=secrets.token_hex(32),
        )
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(account)), encoding="utf-8")
        return account

    def keys(self) -> KeyRing:
        """Return the key pairs."""
        return KeyRing({self.access_key: Key(self.secret_key)})

    def issue_token(self, now: float, scope: str, issued_in: str) -> tuple[str, float]:
        """Return a token and its end. `issued_in` is the endpoint's region, or ``global``."""
        ends = now + TOKEN_HOURS * 3600
        claims = json.dumps({"ends": ends, "scope": scope, "issued_in": issued_in}).encode()
        return self._sealed(claims), ends

    def token_problem(self, token: str, now: float) -> tuple[str, str] | None:
        """Return code and text of why a token is refused (reference 3.1), or None."""
        claims = self._opened(token)
        if claims is None:
            return "APIG.0301", "Incorrect IAM authentication information: decrypt token fail"
        if claims["ends"] < now or claims["issued_in"] not in {"global", self.region} or claims["scope"] != self.region:
            return "APIG.0307", "The token must be updated."
        return None

    def _sealed(self, claims: bytes) -> str:
        tag = hmac.new(self.token_key.encode(), claims, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(tag + claims).decode()

    def _opened(self, token: str) -> dict[str, Any] | None:
        try:
            raw = base64.urlsafe_b64decode(token.encode())
        except ValueError:
            return None
        tag, claims = raw[:32], raw[32:]
        if not hmac.compare_digest(tag, hmac.new(self.token_key.encode(), claims, hashlib.sha256).digest()):
            return None
        opened: dict[str, Any] = json.loads(claims)
        return opened


def iso(seconds: float) -> str:
    """Return seconds since 1970 as IAM writes times."""
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
