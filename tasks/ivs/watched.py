"""aiohttp's connection, watched: it tells the status as soon as its line is whole, and early bytes don't fool it.

aiohttp itself gives nothing of an answer until the whole head is there; but a status line that came whole decides what
a call cost, even where the connection breaks in the next header.
"""

from __future__ import annotations

import asyncio
import functools
import re
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

MOST_HEAD: Final = 65_536
"""Heads over this are not looked through for a status line."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n")
_END: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(slots=True)
class Wire:
    """Facts of one exchange: whether a byte may have left or the connection was lost before; a whole line's status."""

    began: bool = False
    lost: bool = False
    status: int | None = None


CURRENT: Final[ContextVar[Wire | None]] = ContextVar("wire", default=None)
"""The exchange that the running task is about; a connection takes it up when it is given to a request."""


def status_of(head: bytes) -> int | None:
    """Return the status of the first final status line in the bytes of an answer; None where none is whole yet."""
    while found := _STATUS.match(head):
        if int(found[1]) >= 200:
            return int(found[1])
        end = _END.search(head, found.end() - 2)
        if end is None:
            return None
        head = head[end.end() :]
    return None


class Watched(ResponseHandler):
    """A connection that notes the status of its exchange, and takes no answer to a question not yet asked."""

    _wire: Wire | None = None
    _head: bytes = b""

    def is_connected(self) -> bool:
        """Return whether a request may be sent here; not where the server has said something nobody asked for."""
        return super().is_connected() and not self.should_close

    def set_response_params(self, **params: Any) -> None:
        """Take up the exchange that begins."""
        self._wire, self._head = CURRENT.get(), b""
        super().set_response_params(**params)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that it was lost before a byte of the request left."""
        if self._wire is not None and not self._wire.began:
            self._wire.lost = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Look at what comes before aiohttp does."""
        wire = self._wire
        if wire is not None and wire.status is None:
            if not wire.began:
                wire.lost = True
                self.force_close()
                self.abort()
                return
            self._head += data[:MOST_HEAD]
            wire.status = status_of(self._head) if len(self._head) <= MOST_HEAD else None
        super().data_received(data)


def connector(tls: ssl.SSLContext | None, idle_s: float) -> aiohttp.TCPConnector:
    """Return a connector of watched connections, without a limit of their number."""
    made = aiohttp.TCPConnector(limit=0, ssl=tls or True, keepalive_timeout=idle_s, enable_cleanup_closed=False)
    watched: functools.partial[Any] = functools.partial(Watched, loop=asyncio.get_running_loop())
    made._factory = watched  # noqa: SLF001  # there is no public way in; tests/wire shows that it is taken
    return made
