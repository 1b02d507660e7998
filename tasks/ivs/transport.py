"""An httpx transport on aiohttp that keeps up with hundreds of calls in flight and knows whether sending began.

Two extensions of a request matter. ``depart`` is awaited just before the first byte: what it raises goes to the caller
as it is, and nothing was sent. ``wire`` is a `Wire` that states facts: whether sending began, and which whole status
line came back. Nothing below sends a request twice.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Final

import aiohttp
import httpx
from yarl import URL

from tasks.ivs.watched import CURRENT, Wire, connector

__all__ = ["IDLE_S", "Depart", "Wire", "WireTransport"]

Depart = Callable[[], Awaitable[None]]

IDLE_S: Final = 3.0
"""Idle connections are dropped after this, sooner than a server does."""

IN_PIECES: Final = 262_144
"""Bodies over this are written in pieces, so that the event loop is not held."""


MOST_FIELD: Final = 65_536
"""Longest header of an answer: a token is one (``X-Subject-Token``), and the gateway takes up to 32 KB of it."""


class _NotDeparted(Exception):  # noqa: N818  # leaves aiohttp as it is, whatever the hook raised
    """The hook raised; what it raised waits in the request's context."""


class WireTransport(httpx.AsyncBaseTransport):
    """One aiohttp session, opened in the event loop that uses it first.

    Args:
        tls: the TLS context; by default the system's authorities, always verified.
        idle_s: how long an unused connection is kept.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, idle_s: float = IDLE_S) -> None:
        self._tls = tls
        self._idle_s = idle_s
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its response; raise httpx errors named by what happened.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: sending never began.
            httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.NetworkError: it had begun.
        """
        wire = request.extensions.setdefault("wire", Wire())
        context = SimpleNamespace(depart=request.extensions.get("depart"), wire=wire, raised=None)
        mine = CURRENT.set(wire)
        try:
            answer = await self._sent(request, context)
        except (_NotDeparted, aiohttp.ClientError, OSError, TimeoutError) as error:
            failed = context.raised if context.raised is not None else _as_httpx(error, wire, request)
        else:
            wire.status = answer.status
            stream = _Answer(answer, wire, request)
            return httpx.Response(answer.status, headers=answer.raw_headers, stream=stream, extensions={"wire": wire})
        finally:
            CURRENT.reset(mine)
        raise failed

    async def _sent(self, request: httpx.Request, context: SimpleNamespace) -> aiohttp.ClientResponse:
        return await self._open().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=_headers(request),
            data=await _body(request),
            allow_redirects=False,
            timeout=_timeout(request),
            trace_request_ctx=context,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_departing)
            self._session = aiohttp.ClientSession(
                connector=connector(self._tls, self._idle_s),
                trace_configs=[trace],
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_field_size=MOST_FIELD,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


async def _departing(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Run the request's own hook; only when it has returned may the first byte leave."""
    asked = context.trace_request_ctx
    if asked.depart is not None:
        try:
            await asked.depart()
        except Exception as error:
            asked.raised = error
            raise _NotDeparted from error
    if asked.wire.lost:
        asked.raised = httpx.ConnectError("never sent: the connection was lost while the call waited to leave")
        raise _NotDeparted from asked.raised
    asked.wire.began = True


class _Answer(httpx.AsyncByteStream):
    """The body of an answer, read through aiohttp."""

    def __init__(self, answer: aiohttp.ClientResponse, wire: Wire, request: httpx.Request) -> None:
        self._answer = answer
        self._wire = wire
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _as_httpx(error, self._wire, self._request) from None

    async def aclose(self) -> None:
        self._answer.release()


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    return [(name.decode("ascii"), value.decode("utf-8")) for name, value in request.headers.raw]


async def _body(request: httpx.Request) -> bytes | io.BytesIO | None:
    content = await request.aread()
    return io.BytesIO(content) if len(content) > IN_PIECES else content or None


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    asked = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(
        total=None, sock_connect=asked.get("connect"), connect=asked.get("pool"), sock_read=asked.get("read")
    )


def _as_httpx(error: BaseException, wire: Wire, request: httpx.Request) -> httpx.TransportError:
    """Name an error by the fact whether sending began, not by what aiohttp calls it."""
    name = type(error).__name__
    if not wire.began:
        kind = httpx.ConnectTimeout if isinstance(error, TimeoutError) else httpx.ConnectError
        return kind(f"never sent: {name}", request=request)
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(f"no answer in time: {name}", request=request)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | aiohttp.ClientResponseError):
        return httpx.RemoteProtocolError(f"answer broken off: {name}", request=request)
    return httpx.ReadError(f"connection lost: {name}", request=request)
