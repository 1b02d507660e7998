"""An event loop whose time jumps, and lives that end at any instant.

Nothing waits: when no callback is ready the clock jumps to the next one that is due. There are no threads: what the
program gives to a thread runs later on this loop. Same seed, same order of everything.

A `Life` is a process in small: what runs in its context is its own, and when it dies none of its callbacks runs again,
as if the machine had taken it away between two instructions.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context, ContextVar
from random import Random
from typing import Any


class WaitsForeverError(Exception):
    """Nothing is ready, nothing is due: somebody waits for what never comes."""


class GoneError(BaseException):
    """The process is gone in the middle of a call: nobody catches this, nobody is left to."""


GRAVES: list[Any] = []
"""Tasks of the dead: kept, so that no ``finally`` of theirs runs when they are swept away."""


class Life:
    """One process: alive until it dies, at a named step or when it is told to."""

    def __init__(self, name: str, dies_at: int = 0) -> None:
        self.name = name
        self.dies_at = dies_at
        self.steps = 0
        self.dead = False
        self.killed = False
        self.last_words: list[Callable[[], None]] = []

    def die(self) -> None:
        """End here: no callback of this life runs again, what the system takes back is taken back."""
        if not self.dead:
            self.killed = True
            self.exit()
            for let_go in self.last_words:
                let_go()

    def exit(self) -> None:
        """End in an orderly way: whatever still waits is swept away."""
        self.dead = True
        GRAVES.extend(asyncio.all_tasks(asyncio.get_running_loop()))

    def step(self) -> bool:
        """Tell whether the next callback may run."""
        self.steps += 1
        if self.steps == self.dies_at:
            self.die()
        return not self.dead


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class _Jump(selectors.SelectSelector):
    loop: ClockworkLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise WaitsForeverError
        self.loop.now_s += max(timeout, 0.0)
        return []


class ClockworkLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock of its own."""

    def __init__(self, dice: Random) -> None:
        self.now_s = 0.0
        self._dice = dice
        jump = _Jump()
        jump.loop = self
        super().__init__(jump)
        self._clock_resolution = 1e-7

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        return super().call_soon(_while_alive(callback, context), *args, context=context)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        return super().call_at(when, _while_alive(callback, context), *args, context=context)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Run what was meant for a thread, a little later, here."""
        done = self.create_future()

        def run() -> None:
            if done.cancelled():
                return
            try:
                done.set_result(func(*args))
            except BaseException as error:  # noqa: BLE001
                done.set_exception(error)

        self.call_later(self._dice.expovariate(2_000), run)
        return done


def _while_alive(callback: Any, context: Context | None) -> Any:
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is None:
        return callback

    def guarded(*args: Any) -> None:
        if not life.dead and life.step():
            callback(*args)

    return guarded
