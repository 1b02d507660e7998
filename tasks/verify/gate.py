"""What every call of a run must pass: the stop flag, the window's end, and the breaker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tasks.ledger import StoppedError
from tasks.settings.profile import Breaker

T = TypeVar("T")


class Gate:
    """Open while calls may go; closed for a while by the breaker, for good by a stop.

    Args:
        breaker: how many doubtful answers are too many.
        tell: writes a stop where other processes see it.
        closes_in_s: seconds left until the window closes; None where there is no window.
        sleep: waits a number of seconds; injected for tests.
    """

    def __init__(
        self,
        breaker: Breaker,
        *,
        tell: Callable[[str], Awaitable[None]],
        closes_in_s: Callable[[], float | None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._breaker = breaker
        self._tell = tell
        self._closes_in_s = closes_in_s
        self._sleep = sleep
        self._open = asyncio.Event()
        self._open.set()
        self._in_a_row = 0
        self._in_all = 0
        self._probing = False
        self._waits: set[asyncio.Future[Any]] = set()
        self._booked: set[asyncio.Future[Any]] = set()
        self.stopped = ""

    @property
    def paused(self) -> bool:
        """Whether the breaker holds all calls at this moment."""
        return not self._open.is_set()

    async def stop(self, reason: str) -> None:
        """Let no further call go, and nobody wait for one; the first reason stays."""
        if not self.stopped:
            self.stopped = reason
            self._open.set()
            for wait in self._waits if reason == "budget" else self._waits | self._booked:
                wait.cancel()
            await self._tell(reason)

    async def unless_stopped(self, awaited: Awaitable[T], *, booked: bool = False) -> T:
        """Return what `awaited` gives, unless the run is stopped first; a reached cap does not end what is booked.

        Raises:
            StoppedError: it was.
        """
        wait = asyncio.ensure_future(awaited)
        waits = self._booked if booked else self._waits
        waits.add(wait)
        if self._is_stopped(booked=booked):
            wait.cancel()
        try:
            return await wait
        except asyncio.CancelledError:
            if self.stopped and not is_cancelled():
                raise StoppedError(self.stopped) from None
            raise
        finally:
            waits.discard(wait)

    async def rest(self, seconds: float) -> None:
        """Wait, unless the run is stopped first; see `unless_stopped`."""
        await self.unless_stopped(self._sleep(seconds))

    async def enter(self, ahead_s: float = 0.0) -> None:
        """Wait while the breaker holds; when it tries one call, let one in and the others wait for what comes of it.

        Whoever was let in and did not send says so by `untried`.

        Args:
            ahead_s: how far ahead the call's moment lies.

        Raises:
            StoppedError: the run is stopped, or its window closes before that moment.
        """
        try:
            while not self._open.is_set():
                self.check()
                await self._open.wait()
            self.check(ahead_s=ahead_s)
        except StoppedError as stopped:
            await self.stop(stopped.reason)
            raise
        if self._probing:
            self._open.clear()

    def untried(self) -> None:
        """Give back what `enter` let in: the call did not leave."""
        if self._probing:
            self._open.set()

    def check(self, *, booked: bool = False, ahead_s: float = 0.0) -> None:
        """Raise StoppedError where the run is stopped or its window closes before a moment so far ahead.

        A reached cap does not hold back what it has room for.
        """
        if self._is_stopped(booked=booked):
            raise StoppedError(self.stopped)
        left = self._closes_in_s()
        if left is not None and left <= ahead_s:
            raise StoppedError("window")

    def _is_stopped(self, *, booked: bool) -> bool:
        return bool(self.stopped) and not (booked and self.stopped == "budget")

    async def note(self, *, in_doubt: bool) -> None:
        """Count an answer that came, or one that stayed out: too many of those hold all calls, try one, then stop."""
        if not in_doubt:
            self._in_a_row, self._probing = 0, False
            self._open.set()
            return
        self._in_a_row += 1
        self._in_all += 1
        if self._probing or self._in_all >= self._breaker.in_a_run:
            await self.stop("provider")
        elif self._in_a_row >= self._breaker.in_a_row and self._open.is_set():
            await self._pause()

    async def _pause(self) -> None:
        self._open.clear()
        with contextlib.suppress(StoppedError):
            await self.rest(self._breaker.pause_s)
        self._probing = True
        self._open.set()


def is_cancelled() -> bool:
    """Tell whether somebody wants the running task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
