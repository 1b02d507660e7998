"""Waiting for a source that is not whole yet, until a set time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from tasks.ingest.errors import IncompleteError

T = TypeVar("T")

NOON: Final = dt.time(12)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and with which clock.

    Attributes:
        until: the last moment; None: what is not there now is missing.
        every_s: seconds between two looks.
        now: the clock.
        sleep: waits.
        say: told once why it is waited.
    """

    until: dt.datetime | None
    every_s: float
    now: Callable[[], dt.datetime]
    sleep: Callable[[float], Awaitable[None]]
    say: Callable[[str], None]


def last_moment(wait_until: dt.time | None, on: dt.date, zone: ZoneInfo) -> dt.datetime | None:
    """Return when waiting ends: on the business date, or for a time before noon on the morning after."""
    if wait_until is None:
        return None
    day = on if wait_until >= NOON else on + dt.timedelta(days=1)
    return dt.datetime.combine(day, wait_until, zone)


async def when_complete(work: Callable[[], Awaitable[T]], patience: Patience) -> T:
    """Do `work`, again and again while it says that the source is not whole and may become so.

    Raises:
        IncompleteError: still not whole at the last moment, or wrong in a way that waiting doesn't mend.
    """
    said = False
    while True:
        try:
            return await work()
        except IncompleteError as error:
            left = _left(patience) if error.may_come else 0.0
            if left <= 0:
                raise
            if not said:
                patience.say(f"waiting until {patience.until:%Y-%m-%d %H:%M}: {error}")
                said = True
        await patience.sleep(min(patience.every_s, left))


def _left(patience: Patience) -> float:
    return (patience.until - patience.now()).total_seconds() if patience.until else 0.0
