"""Slots by GCRA: one atomic update moves a lane's next free moment forward and hands out what lies before it.

A lane is what a quota hangs on (a family, or the whole account). Slots lie one interval apart, so in any sliding second
no more are granted than the rate allows. A refusal by the provider lowers the lane's rate for every process; it climbs
back little by little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, text

LEASE_US: Final = 500_000
"""The farthest a leased slot may lie ahead."""

HELD_MOST_US: Final = 900_000_000
"""The longest a refusal can hold a lane; a next moment beyond it was written by a clock that has been set back."""

_CUT: Final = 0.7
_FLOOR: Final = 0.1
_CLIMB_PER_S: Final = 0.02
_CUT_AT_MOST_EVERY_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Lane:
    """A quota: its name and the rate it may grant, in calls a second (headroom already taken off)."""

    name: str
    per_s: float


@dataclass(frozen=True, slots=True)
class _LaneState:
    """A lane's row: its next free moment, and the rate as it stood when it was last changed."""

    next_us: int
    rate: float
    changed_us: int
    throttled: int

    def rate_at(self, now_us: int, lane: Lane) -> float:
        """Return the rate now: it climbs from where it was cut, up to what the lane allows."""
        climbed = self.rate + lane.per_s * _CLIMB_PER_S * max(now_us - self.changed_us, 0) / 1_000_000
        return min(lane.per_s, climbed)


_READ: Final = text("SELECT next_us, rate_milli, changed_us, throttled FROM quota WHERE name = :name")
_WRITE: Final = text(
    "INSERT INTO quota (name, next_us, rate_milli, changed_us, throttled) "
    "VALUES (:name, :next_us, :rate_milli, :changed_us, :throttled) "
    "ON CONFLICT (name) DO UPDATE SET next_us = excluded.next_us, rate_milli = excluded.rate_milli, "
    "changed_us = excluded.changed_us, throttled = excluded.throttled"
)


def lease(connection: Connection, lane: Lane, wanted: int, now_us: int) -> tuple[list[int], int]:
    """Return up to `wanted` slots (microseconds since 1970), none farther ahead than `LEASE_US`, and the next free one.

    An empty list means that others hold all of the near future: come back when the next free moment is near.
    """
    state = _lane(connection, lane, now_us)
    interval = math.ceil(1_000_000 / state.rate_at(now_us, lane))
    start = max(state.next_us, now_us) if state.next_us <= now_us + HELD_MOST_US else now_us
    slots = [at for at in range(start, start + wanted * interval, interval) if at <= now_us + LEASE_US]
    free = start + len(slots) * interval
    if slots:
        _store(connection, lane, replace(state, next_us=free))
    return slots, free


def throttled(connection: Connection, lane: Lane, now_us: int, *, pause_s: float, limit_per_s: float | None) -> None:
    """Lower the lane's rate after the provider refused a call for throttling, and hold new slots back for `pause_s`.

    Refusals that arrive together count as one cut; `limit_per_s` is the rate the provider named, where it did.
    """
    state = _lane(connection, lane, now_us)
    if now_us - state.changed_us >= _CUT_AT_MOST_EVERY_US or not state.throttled:
        named = limit_per_s if limit_per_s and limit_per_s < lane.per_s else lane.per_s
        cut = max(min(state.rate_at(now_us, lane) * _CUT, named), lane.per_s * _FLOOR)
        state = replace(state, rate=cut, changed_us=now_us)
    held = max(state.next_us, now_us + min(round(pause_s * 1_000_000), HELD_MOST_US))
    _store(connection, lane, replace(state, next_us=held, throttled=state.throttled + 1))


def _lane(connection: Connection, lane: Lane, now_us: int) -> _LaneState:
    row = connection.execute(_READ, {"name": lane.name}).first()
    if row is None:
        return _LaneState(now_us, lane.per_s, now_us, 0)
    return _LaneState(row.next_us, row.rate_milli / 1000, row.changed_us, row.throttled)


def _store(connection: Connection, lane: Lane, state: _LaneState) -> None:
    connection.execute(
        _WRITE,
        {
            "name": lane.name,
            "next_us": state.next_us,
            "rate_milli": round(state.rate * 1000),
            "changed_us": state.changed_us,
            "throttled": state.throttled,
        },
    )
