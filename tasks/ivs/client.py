"""One call to IVS, and what is known of it afterwards: a row of the table of answers, whatever happened on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final

import httpx

from tasks.ivs.answers import MOST_BYTES, Answer, answer_of
from tasks.ivs.errors import NeverSent, RunStopper, TokenError
from tasks.ivs.messages import Body, Check, IdCard, encode
from tasks.ivs.tokens import TokenAuth
from tasks.ivs.transport import Wire

__all__ = ["Answer", "Body", "Check", "IdCard", "IvsClient"]

PATIENCE: Final = 3
"""A whole answer may take this many read time-outs, however its pieces drip."""


class IvsClient:
    """Calls IVS, each call once.

    Args:
        endpoint: for instance ``https://ivs.cn-north-4.myhuaweicloud.com``.
        project_id: sent and signed as ``X-Project-Id`` where known (reference 1.2).
        auth: `AkSkAuth` or `TokenAuth`.
        transport: what carries the calls.
        connect_timeout_s: until a connection stands.
        read_timeout_s: between two pieces of an answer; a whole one may take three times this.
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
        self._answer_s = PATIENCE * read_timeout_s
        self._waiting: set[asyncio.Timeout] = set()
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
        sending has begun this returns an `Answer`, even where the caller is cancelled meanwhile: the answer may be paid
        for, so it is waited for and returned; ``asyncio.current_task().cancelling()`` tells of the request.
        Only a second cancellation gives the answer up; the call is then in doubt.

        Raises:
            NeverSent: sending never began.
            RunStopper: the same, and no other call will leave either.
        """
        exchange = asyncio.ensure_future(self._exchange(body, uuid, depart, wire := Wire()))
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            if not wire.began:
                exchange.cancel()
            await _over(exchange)
            if exchange.cancelled() or exchange.exception() is not None:
                raise
            return exchange.result()

    async def renew(self) -> None:
        """Fetch a new token, where tokens are used and the last one was refused.

        Raises:
            TokenError: none could be had.
        """
        if isinstance(self._auth, TokenAuth):
            await self._auth.renew()

    def hurry(self, within_s: float) -> None:
        """Wait for answers no longer than `within_s` from now on; a call whose answer comes later is in doubt."""
        self._answer_s = min(self._answer_s, within_s)
        ends = asyncio.get_running_loop().time() + within_s
        for limit in self._waiting:
            if not limit.expired() and (limit.when() or 0) > ends:
                limit.reschedule(ends)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _exchange(self, body: Body, uuid: str, depart: Callable[[], Awaitable[None]], wire: Wire) -> Answer:
        content, digest = await body.with_uuid(uuid)
        request = self._client.build_request("POST", self._endpoint + body.path, content=content)
        got, limit = _Got(), asyncio.timeout(None)
        hook = _Hook(depart, partial(self._wait_for, limit))
        request.extensions |= {"depart": hook, "wire": wire, "payload_sha256": digest}
        try:
            async with limit:
                response = await self._client.send(request, stream=True)
                wire.began, wire.status = True, response.status_code
                await got.read(response)
        except Exception as error:
            if wire.began:
                pass  # what is known of it is in `wire` and `got`
            elif (named := _never_sent(error, hook)) is error:
                raise
            else:
                raise named from error
        finally:
            self._waiting.discard(limit)
        return self._judged(answer_of(wire.status, bytes(got.body), uuid, got.headers), request)

    def _wait_for(self, limit: asyncio.Timeout) -> None:
        """Set the time by which the answer must be whole."""
        limit.reschedule(asyncio.get_running_loop().time() + self._answer_s)
        self._waiting.add(limit)

    def _judged(self, answer: Answer, request: httpx.Request) -> Answer:
        """Let a refused token go, and say so where the fault may have been the token's."""
        if not isinstance(self._auth, TokenAuth):
            return answer
        rule = answer.rule
        if rule.with_token:
            answer = replace(answer, rule=replace(rule, retry=rule.with_token, final="none"))
        if answer.rule.retry == "after_new_token":
            self._auth.refused(request.headers["X-Auth-Token"])
        return answer


class _Hook:
    """Departs, says so, and keeps what departing raised."""

    def __init__(self, depart: Callable[[], Awaitable[None]], departed: Callable[[], None]) -> None:
        self._depart, self._departed = depart, departed
        self.raised: BaseException | None = None

    async def __call__(self) -> None:
        try:
            await self._depart()
        except BaseException as error:
            self.raised = error
            raise
        self._departed()


class _Got:
    """What has come of an answer; kept where the rest is lost."""

    def __init__(self) -> None:
        self.headers: httpx.Headers | None = None
        self.body = bytearray()

    async def read(self, response: httpx.Response) -> None:
        self.headers = response.headers
        try:
            async for piece in response.aiter_bytes():
                self.body += piece
                if len(self.body) > MOST_BYTES:
                    return
        finally:
            await response.aclose()


def _never_sent(error: Exception, hook: _Hook) -> Exception:
    """Name what kept a call from leaving; what the hook raised, and what nobody expects, stays as it is."""
    if isinstance(error, TokenError):
        kind = RunStopper if error.final else NeverSent
        return kind(f"token {error.status} {error.code}".strip())
    if isinstance(error, httpx.TransportError) and error is not hook.raised:
        return NeverSent(type(error).__name__)
    return error


async def _over(exchange: asyncio.Future[Answer]) -> None:
    """Wait until an exchange is over; cancelled a second time, end it."""
    try:
        await asyncio.wait([exchange])
    except asyncio.CancelledError:
        exchange.cancel()
        raise
