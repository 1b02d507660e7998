"""Faults on demand: which request they hit is decided by operation, place, uuid, rate, seed and time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

AT_THE_DOOR: Final = frozenset({"reset_head", "reset_body"})
"""Faults that hit before a request is read; they match by place, rate and time only."""

ON_THE_BILL: Final = frozenset({"bill_missing", "bill_late", "bill_extra", "bill_wrong_project"})
"""Faults of what billing reads later show; ``args = {every: n}`` or, for extra rows, ``{rows: n}``."""

KNOWN: Final = frozenset(
    {
        "latency", "throttle", "quota_cut", "status", "code", "reset_before", "reset_during", "reset_after", "late",
        "truncated", "not_json", "wrong_uuid", "error_in_200", "unknown_code", "similarity_number", "missing_optional",
        "too_large", "token_expired", "frozen", "unsubscribed", "close_connection", "drop_connection", "duplicate",
        *AT_THE_DOOR, *ON_THE_BILL,
    }
)  # fmt: skip


class BadFaultError(ValueError):
    """A fault that is not in the form of the control route."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what it does, whom it hits, and since when (seconds from the time it was set)."""

    name: str
    match: dict[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    seed: int = 0
    from_s: float = 0.0
    to_s: float = float("inf")
    args: dict[str, Any] = field(default_factory=dict)


def parsed(item: dict[str, Any]) -> Fault:
    """Return a fault from the control route's JSON or the configuration's TOML.

    Raises:
        BadFaultError: an unknown fault or key.
    """
    known = {"fault", "match", "rate", "seed", "from_s", "to_s", "args"}
    if item.get("fault") not in KNOWN or not set(item) <= known:
        raise BadFaultError(f"a fault is one of {', '.join(sorted(KNOWN))} with keys {', '.join(sorted(known))}")
    rest = {key: value for key, value in item.items() if key != "fault"}
    return Fault(name=str(item["fault"]), **rest)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, random.Random]] = []
        self._since = 0.0
        self._seen: Counter[str] = Counter()

    def replace(self, faults: list[Fault], now: float) -> None:
        """Put other faults in force; counting and schedules start again."""
        self._faults = [(fault, random.Random(fault.seed)) for fault in faults]  # noqa: S311  # by seed, on purpose
        self._since = now
        self._seen.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return the faults in force, as they were set."""
        return [{"fault": f.name, "match": f.match, "rate": f.rate, "args": f.args} for f, _ in self._faults]

    def hitting(self, operation: str, uuid: str, now: float) -> dict[str, dict[str, Any]]:
        """Return the faults that hit this request, with their arguments, by name."""
        self._seen[operation] += 1
        self._seen[""] += 1
        return self._hit(lambda fault: fault.name not in AT_THE_DOOR | ON_THE_BILL, operation, uuid, now)

    def at_the_door(self, now: float) -> dict[str, dict[str, Any]]:
        """Return the faults that hit a request before it is read."""
        self._seen["at the door"] += 1
        return self._hit(lambda fault: fault.name in AT_THE_DOOR, "at the door", "", now)

    def on_the_bill(self) -> dict[str, dict[str, Any]]:
        """Return the faults of the bill."""
        return {fault.name: fault.args for fault, _ in self._faults if fault.name in ON_THE_BILL}

    def _hit(
        self, concerned: Callable[[Fault], bool], operation: str, uuid: str, now: float
    ) -> dict[str, dict[str, Any]]:
        age = now - self._since
        hit = {}
        for fault, dice in self._faults:
            due = concerned(fault) and fault.from_s <= age < fault.to_s
            if due and self._fits(fault, operation, uuid) and dice.random() < fault.rate:
                hit[fault.name] = fault.args
        return hit

    def _fits(self, fault: Fault, operation: str, uuid: str) -> bool:
        wanted = fault.match
        if fault.name not in AT_THE_DOOR and wanted.get("operation", operation) != operation:
            return False
        if wanted.get("uuid", uuid) != uuid:
            return False
        place = self._seen[operation if "operation" in wanted or fault.name in AT_THE_DOOR else ""]
        nth = wanted.get("nth")
        return nth is None or place == nth or (isinstance(nth, list) and place in nth)
