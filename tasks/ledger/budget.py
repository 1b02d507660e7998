"""Caps by worst case: booked before a call leaves, turned into certain money or given back when its answer is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from tasks.ledger.errors import CapReachedError


@dataclass(frozen=True, slots=True)
class Cap:
    """One cap of a scope, in millionths and in calls that are or may be billed; 0 calls means not capped by calls."""

    scope: str
    micros: int
    calls: int = 0


def run_scope(run_id: str) -> str:
    """Name the scope of a run's cap."""
    return f"run:{run_id}"


def night_scope(night: str) -> str:
    """Name the scope of a night's cap."""
    return f"night:{night}"


def month_scope(night: str, month: str) -> str:
    """Name the scope of a month's cap, which is that of the profile whose night it is."""
    return f"month:{night.rpartition(':')[0]}:{month}"


_OPEN: Final = text(
    "INSERT INTO budget (scope, certain_micros, possible_micros, calls, cap_micros, cap_calls) "
    "VALUES (:scope, 0, 0, 0, :micros, :calls) "
    "ON CONFLICT (scope) DO UPDATE SET cap_micros = excluded.cap_micros, cap_calls = excluded.cap_calls"
)
_BOOK: Final = text(
    "UPDATE budget SET possible_micros = possible_micros + :worst, calls = calls + 1 "
    "WHERE scope IN (:run, :night, :month) AND certain_micros + possible_micros + :worst <= cap_micros "
    "AND (cap_calls = 0 OR calls < cap_calls)"
)
_FULL: Final = text(
    "SELECT scope FROM budget WHERE scope IN (:run, :night, :month) "
    "AND (certain_micros + possible_micros + :worst > cap_micros OR (cap_calls > 0 AND calls >= cap_calls))"
)
_SETTLE: Final = text(
    "UPDATE budget SET possible_micros = possible_micros - :worst, certain_micros = certain_micros + :certain, "
    "calls = calls - :back WHERE scope IN (:run, :night, :month)"
)


def open_scopes(connection: Connection, caps: list[Cap]) -> None:
    """Make the scopes' rows, or set their caps to what the profile says now."""
    for cap in caps:
        connection.execute(_OPEN, {"scope": cap.scope, "micros": cap.micros, "calls": cap.calls})


def book(connection: Connection, scopes: tuple[str, str, str], worst: int) -> None:
    """Book a call's worst case in its run, night and month.

    Raises:
        CapReachedError: one of them has no room; the caller's savepoint takes back the others.
    """
    values = _values(scopes) | {"worst": worst}
    if connection.execute(_BOOK, values).rowcount == 3:
        return
    full = connection.execute(_FULL, values).scalars().first()
    raise CapReachedError(str(full or "run:").partition(":")[0])


def settle(connection: Connection, scopes: tuple[str, str, str], *, worst: int, certain: int, back: int) -> None:
    """Replace a booked worst case by certain money (0 for none); `back` is 1 where the call counts as unbilled."""
    connection.execute(_SETTLE, _values(scopes) | {"worst": worst, "certain": certain, "back": back})


def _values(scopes: tuple[str, str, str]) -> dict[str, object]:
    return dict(zip(("run", "night", "month"), scopes, strict=True))
