"""AK/SK signing, ``SDK-HMAC-SHA256`` (reference 3.2), as an `httpx.Auth`: each request is signed when it goes out."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

import httpx

from tasks.privacy import Secret

ALGORITHM: Final = "SDK-HMAC-SHA256"
UNSIGNED: Final = frozenset(
    {"content-length", "connection", "accept", "accept-encoding", "transfer-encoding", "authorization"}
)
"""Headers that lie below the signature: the transport may set or change them."""


def utc_now() -> dt.datetime:
    """Return the time, UTC."""
    return dt.datetime.now(dt.UTC)


class AkSkAuth(httpx.Auth):
    """Signs with an access key; with a temporary one the security token is sent and signed too.

    A caller that has hashed the body already passes the hex digest in ``request.extensions["payload_sha256"]``.

    Args:
        access_key: the AK.
        secret_key: the SK.
        security_token: token of a temporary key pair.
        clock: UTC time, for ``X-Sdk-Date``.
    """

    requires_request_body = True

    def __init__(
        self,
        access_key: Secret[str],
        secret_key: Secret[str],
        *,
        security_token: Secret[str] | None = None,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._security_token = security_token
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request and let it go, once."""
        if self._security_token:
            request.headers["X-Security-Token"] = self._security_token.reveal()
        if "X-Sdk-Date" not in request.headers:
            request.headers["X-Sdk-Date"] = self._clock().strftime("%Y%m%dT%H%M%SZ")
        payload = request.extensions.get("payload_sha256") or hashlib.sha256(request.content).hexdigest()
        headers = [(name, value) for name, value in request.headers.items() if name not in UNSIGNED]
        request.headers["Authorization"] = authorization(
            self._access_key.reveal(),
            self._secret_key.reveal(),
            method=request.method,
            path=request.url.raw_path.partition(b"?")[0].decode("ascii"),
            query=parse_qsl(request.url.query.decode("ascii"), keep_blank_values=True),
            headers=headers,
            payload_hash=payload,
        )
        yield request


def authorization(  # the inputs of the scheme
    access_key: str,
    secret_key: str,
    *,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Iterable[tuple[str, str]],
    payload_hash: str,
) -> str:
    """Return the ``Authorization`` header over exactly these inputs (reference 3.2, steps 4 to 11)."""
    signed = sorted((name.lower(), value.strip()) for name, value in headers if "_" not in name)
    names = ";".join(name for name, _ in signed)
    request = canonical_request(method, path, query, signed, payload_hash)
    date = next(value for name, value in signed if name == "x-sdk-date")
    text = f"{ALGORITHM}\n{date}\n{hashlib.sha256(request.encode('utf-8')).hexdigest()}"
    signature = hmac.new(secret_key.encode("utf-8"), text.encode("utf-8"), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}"


def canonical_request(
    method: str, path: str, query: Sequence[tuple[str, str]], signed: Sequence[tuple[str, str]], payload_hash: str
) -> str:
    """Return the text whose hash is signed; `signed` are lower-case names with trimmed values, sorted."""
    lines = "".join(f"{name}:{value}\n" for name, value in signed)
    names = ";".join(name for name, _ in signed)
    return f"{method.upper()}\n{_path(path)}\n{_query(query)}\n{lines}\n{names}\n{payload_hash}"


def _path(path: str) -> str:
    pieces = [_encoded(piece) for piece in unquote(path).split("/")]
    encoded = "/".join(pieces)
    return encoded if encoded.endswith("/") else encoded + "/"


def _query(query: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(query))


def _encoded(text: str) -> str:
    return quote(text, safe="~")
