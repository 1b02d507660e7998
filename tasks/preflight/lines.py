"""One finding of a preflight: good, worth a look, or in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Level = Literal["ok", "warn", "fail"]
_ORDER: Final[dict[Level, int]] = {"ok": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True, slots=True)
class Line:
    """What was looked at, how it stands, and what to say of it: a key of the catalogue, and its values."""

    name: str
    level: Level
    note: str
    values: dict[str, Any] = field(default_factory=dict)


def ok(name: str, note: str, **values: Any) -> Line:
    """Return a finding that is good."""
    return Line(name, "ok", note, values)


def warn(name: str, note: str, **values: Any) -> Line:
    """Return a finding that is worth a look; a night can run."""
    return Line(name, "warn", note, values)


def fail(name: str, note: str, **values: Any) -> Line:
    """Return a finding that is in the way of a night."""
    return Line(name, "fail", note, values)


def looked(name: str, look: Callable[[], Line]) -> Line:
    """Return what a look found; an error is a finding too, told by its own words (ours hold no values)."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001  # whatever is wrong is what was asked
        return fail(name, "error", error=f"{type(error).__name__}: {error}")


def worst(lines: Iterable[Line]) -> Level:
    """Return the worst level among findings."""
    return max((line.level for line in lines), key=_ORDER.__getitem__, default="ok")
