"""One call to IVS, and what is known of it afterwards: a row of the table of answers, whatever happened on the wire."""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import httpx

from tasks.ivs.codes import (
    ANOTHERS_UUID,
    MISSING,
    UNKNOWN_REFUSAL,
    UNREADABLE,
    CodeRule,
    refusal_rule,
    verdict_rule,
)
from tasks.ivs.errors import IvsError, NeverSent, TokenError
from tasks.ivs.messages import Body, Check, IdCard, encode, error_of, verdict_of
from tasks.ivs.tokens import TokenAuth
from tasks.ivs.transport import Wire

__all__ = ["Answer", "Body", "Check", "IdCard", "IvsClient"]

_LIMIT: Final = re.compile(r"limit:\s*(\d+)\s*,\s*time:\s*(\d+)\s*(second|minute|hour)")
_SECONDS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a call whose sending began.

    `kind` and `charge` are the two axes; `rule` is the row of the code table that applies.
    """

    kind: Literal["verdict", "refusal", "unreadable", "missing"]
    charge: Literal["none", "certain", "possible"]
    rule: CodeRule
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    limit_hint: tuple[int, float] | None = None
    verification_code: str | None = None
    verification_result: str | None = None
    similarity: str | None = None
    alive: bool | None = None
    idcard: IdCard | None = None


class IvsClient:
    """Calls IVS, each call once.

    Args:
        endpoint: for instance ``https://ivs.cn-north-4.myhuaweicloud.com``.
        project_id: sent and signed as ``X-Project-Id`` where known (reference 1.2).
        auth: `AkSkAuth` or `TokenAuth`.
        transport: what carries the calls.
        connect_timeout_s: until a connection stands.
        read_timeout_s: between two pieces of an answer.
        enterprise_project_id: sent as ``Enterprise-Project-Id`` (reference 1.2).
    """

    def __init__(  # one account's address
        self,
        *,
        endpoint: str,
        project_id: str | None,
        auth: httpx.Auth,
        transport: httpx.AsyncBaseTransport,
        connect_timeout_s: float = 10,
        read_timeout_s: float = 60,
        enterprise_project_id: str | None = None,
    ) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "ivs-backfill", "Accept-Encoding": "identity"}
        if project_id:
            headers["X-Project-Id"] = project_id
        if enterprise_project_id:
            headers["Enterprise-Project-Id"] = enterprise_project_id
        self._auth = auth
        self._endpoint = endpoint.rstrip("/")
        self._client = httpx.AsyncClient(
            auth=auth,
            transport=transport,
            headers=headers,
            timeout=httpx.Timeout(read_timeout_s, connect=connect_timeout_s),
            follow_redirects=False,
            trust_env=False,
        )

    async def encode(self, check: Check) -> Body:
        """Return a check's body; see `messages.encode`."""
        return await encode(check)

    async def call(self, body: Body, *, uuid: str, depart: Callable[[], Awaitable[None]]) -> Answer:
        """Send a body once under a uuid, and return what is known of it.

        `depart` is awaited just before the first byte; what it raises comes out as it is, and nothing was sent. Once
        sending has begun this returns an `Answer`, even where the caller is cancelled: the cancellation is delivered
        after the answer has come or its time is over.

        Raises:
            NeverSent: sending never began.
        """
        exchange = asyncio.ensure_future(self._exchange(body, uuid, depart, wire := Wire()))
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            if not wire.began:
                exchange.cancel()
            answer = await _outcome_of(exchange)
            if answer is None:
                raise
            return answer

    async def renew(self) -> None:
        """Fetch a new token, where tokens are used."""
        if isinstance(self._auth, TokenAuth):
            await self._auth.renew()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _exchange(self, body: Body, uuid: str, depart: Callable[[], Awaitable[None]], wire: Wire) -> Answer:
        content, digest = await body.with_uuid(uuid)
        extensions = {"depart": depart, "wire": wire, "payload_sha256": digest}
        request = self._client.build_request("POST", self._endpoint + body.path, content=content)
        request.extensions.update(extensions)
        try:
            response = await self._client.send(request, stream=True)
        except TokenError as error:
            raise NeverSent(f"token {error.status} {error.code}".strip()) from error
        except httpx.TransportError as error:
            if not wire.began:
                raise NeverSent(type(error).__name__) from None
            return Answer("missing", "possible", MISSING)
        return await _read(response, uuid)


async def _outcome_of(exchange: asyncio.Future[Answer]) -> Answer | None:
    try:
        await asyncio.wait([exchange])
        return exchange.result()
    except (asyncio.CancelledError, IvsError, Exception):  # noqa: BLE001  # the caller was cancelled: that is what it is told
        return None


async def _read(response: httpx.Response, uuid: str) -> Answer:
    """Read an answer whose status line is known; the status decides, even where the rest is lost."""
    try:
        content = await response.aread()
    except httpx.TransportError:
        content = b""
    finally:
        await response.aclose()
    request_id = response.headers.get("X-Request-Id")
    if response.status_code == 200:
        return replace(_of_200(content, uuid), request_id=request_id)
    return _of_error(response, content, request_id)


def _of_200(content: bytes, uuid: str) -> Answer:
    verdict = verdict_of(content)
    if verdict is None:
        return Answer("unreadable", "certain", UNREADABLE, status=200, code=error_of(content)[0])
    if verdict.uuid != uuid:
        return Answer("unreadable", "certain", ANOTHERS_UUID, status=200)
    return Answer(
        "verdict",
        "certain",
        verdict_rule(verdict.code),
        status=200,
        verification_code=verdict.code,
        verification_result=verdict.result,
        similarity=verdict.similarity,
        alive=verdict.alive,
        idcard=verdict.idcard,
    )


def _of_error(response: httpx.Response, content: bytes, request_id: str | None) -> Answer:
    status = response.status_code
    code, message, inner_id = error_of(content)
    rule = refusal_rule(code, status)
    refused = Answer(
        "refusal",
        "none",
        rule or UNKNOWN_REFUSAL,
        status=status,
        code=code,
        request_id=request_id or inner_id,
        retry_after_s=_retry_after(response.headers.get("Retry-After")),
        limit_hint=_limit(message),
    )
    if status == 504 or (status >= 500 and rule is None):
        return replace(refused, kind="missing", charge="possible", rule=MISSING)
    if rule is None and code and 400 <= status < 500:
        return replace(refused, rule=_plain(status))
    return refused


def _plain(status: int) -> CodeRule:
    """Return the rule for a 4xx with a code nobody knows: a refusal, not retried, unless the status stops the run."""
    plain = refusal_rule(None, status)
    if plain is None or plain.final == "none":
        return UNKNOWN_REFUSAL if plain is None or status != 429 else plain
    return replace(plain, retry="never")


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After``, given as seconds or as an HTTP date; None where there is none."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _limit(message: str) -> tuple[int, float] | None:
    found = _LIMIT.search(message)
    if not found:
        return None
    return int(found[1]), int(found[2]) * _SECONDS[found[3]]
