"""Verify ``SDK-HMAC-SHA256`` over the bytes as received (reference 3.2 and 3.4), and lock keys that fail too often."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

_FORM: Final = re.compile(
    r"SDK-HMAC-SHA256 Access=(?P<ak>[^,\s]+), SignedHeaders=(?P<names>[^,\s]+), Signature=(?P<signature>[0-9a-f]{64})"
)
CLOCK_S: Final = 900
FAILURES: Final = 5
LOCK_S: Final = 300


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came: header names lower-case, in order, values as text."""

    method: str
    raw_path: bytes
    query: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of a name, or an empty text."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair; temporary ones come with a security token and an end."""

    secret: str
    security_token: str = ""
    ends: float = 0.0


@dataclass(slots=True)
class KeyRing:
    """All key pairs, and which of them are locked."""

    keys: dict[str, Key]
    _failed: dict[str, int] = field(default_factory=dict)
    _locked: dict[str, float] = field(default_factory=dict)

    def problem(self, request: Received, now: float) -> str:
        """Return why a signed request is refused, or an empty text."""
        found = _FORM.fullmatch(request.header("authorization"))
        if found is None:
            return "signature format is wrong"
        access_key = found["ak"]
        if self._locked.get(access_key, 0) > now:
            return "AK access failed to reach the limit,forbidden"
        key = self.keys.get(access_key)
        if key is None:
            return "Get secretKey failed,ak:******,err:ak not exist"
        problem = _problem(request, key, found["names"].split(";"), found["signature"], now)
        self._count(access_key, now, failed=problem != "")
        return problem

    def _count(self, access_key: str, now: float, *, failed: bool) -> None:
        self._failed[access_key] = self._failed.get(access_key, 0) + 1 if failed else 0
        if self._failed[access_key] > FAILURES:
            self._locked[access_key] = now + LOCK_S
            self._failed[access_key] = 0


def _problem(request: Received, key: Key, names: list[str], signature: str, now: float) -> str:
    date = request.header("x-sdk-date")
    try:
        signed_at = dt.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return "x-sdk-date is missing or malformed"
    if abs(now - signed_at) > CLOCK_S:
        return "signature expired"
    if key.ends and (key.ends < now or request.header("x-security-token") != key.security_token):
        return "security token is wrong or expired"
    if not {"host", "x-sdk-date"} <= set(names) or names != sorted(names):
        return "signed headers lack host or x-sdk-date"
    expected = _signature(request, key.secret, names, date)
    return "" if hmac.compare_digest(expected, signature) else "verify aksk signature fail"


def _signature(request: Received, secret: str, names: list[str], date: str) -> str:
    lines = "".join(f"{name}:{request.header(name).strip()}\n" for name in names)
    payload = hashlib.sha256(request.body).hexdigest()
    if request.body and (given := request.header("x-sdk-content-sha256")):
        payload = given
    canonical = "\n".join(
        (request.method.upper(), _path(request.raw_path), _query(request.query), lines, ";".join(names), payload)
    )
    text = f"SDK-HMAC-SHA256\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _path(raw: bytes) -> str:
    text = "/".join(quote(piece, safe="~") for piece in unquote(raw.decode("ascii")).split("/"))
    return text if text.endswith("/") else text + "/"


def _query(raw: bytes) -> str:
    pairs = [piece.partition("=") for piece in raw.decode("ascii").split("&") if piece]
    read = sorted((unquote(name.replace("+", " ")), unquote(value.replace("+", " "))) for name, _, value in pairs)
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in read)
