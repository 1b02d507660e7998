"""What every call of a run must pass: the stop flag, the window's end, and the breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tasks.ledger import StoppedError
from tasks.settings.profile import Breaker


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
        self.stopped = ""

    @property
    def paused(self) -> bool:
        """Whether the breaker holds all calls at this moment."""
        return not self._open.is_set()

    async def stop(self, reason: str) -> None:
        """Let no further call go; the first reason stays."""
        if not self.stopped:
            self.stopped = reason
            self._open.set()
            await self._tell(reason)

    async def enter(self) -> None:
        """Wait while the breaker holds.

        Raises:
            StoppedError: the run is stopped.
        """
        while True:
            self.check()
            if self._open.is_set():
                break
            await self._open.wait()
        left = self._closes_in_s()
        if left is not None and left <= 0:
            await self.stop("window")
        self.check()

    def check(self, *, booked: bool = False) -> None:
        """Raise StoppedError where the run is stopped; a reached cap does not hold back what it has room for."""
        if self.stopped and not (booked and self.stopped == "budget"):
            raise StoppedError(self.stopped)

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
        await self._sleep(self._breaker.pause_s)
        self._probing = True
        self._open.set()
