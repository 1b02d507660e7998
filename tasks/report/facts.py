"""What a cost report says, computed from the ledger's groups. Pure; money is whole millionths until it is printed."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tasks.ledger.repeats import NONE, Repeats
from tasks.records import OPERATIONS, Operation, Outcome
from tasks.records.money import from_micros

Group = Any
_EPOCH: Final = dt.date(1970, 1, 1)


@dataclass(slots=True)
class Line:
    """Calls and money of one group of the report."""

    sent: int = 0
    answered: int = 0
    refused: int = 0
    in_doubt: int = 0
    certain: int = 0
    possible: int = 0
    wasted: int = 0

    def add(self, group: Group) -> None:
        """Count a group of calls; those that were withdrawn never left."""
        if group.state == "withdrawn":
            return
        self.sent += group.n
        self.answered += group.n if group.state == "answered" else 0
        self.refused += group.n if group.state == "refused" else 0
        self.in_doubt += group.n if group.state in {"in_doubt", "sent"} else 0
        self.certain += int(group.micros) if group.charge == "certain" else 0
        self.possible += int(group.micros) if group.charge == "possible" else 0
        self.wasted += int(group.micros) if is_wasted(group) else 0


@dataclass(frozen=True, slots=True)
class Saving:
    """Calls that were not made, and what they would have cost at the first tier that applies."""

    reason: str
    calls: int
    micros: int


@dataclass(slots=True)
class CostFacts:
    """Everything the cost report shows."""

    run: Mapping[str, Any]
    total: Line
    by: dict[str, dict[str, Line]]
    savings: list[Saving]
    outcomes: dict[str, int]
    exceptions: dict[str, int]
    throttled: int
    duration_s: float
    rates: dict[str, tuple[float, float]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    repeats: Repeats = NONE
    voided: int = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bracket(self) -> tuple[Decimal, Decimal]:
        """The least and the most the bill can be for this run."""
        return from_micros(self.total.certain), from_micros(self.total.certain + self.total.possible)


def is_wasted(group: Group) -> bool:
    """Tell whether calls were paid for without a usable answer: unreadable, or a picture refused with a 200."""
    return group.charge == "certain" and group.outcome in {Outcome.UNREADABLE, Outcome.MEDIA_REJECTED}


def cost_facts(
    groups: Sequence[Group],
    *,
    run: Mapping[str, Any],
    saved: Mapping[str, Mapping[str, int]],
    price: Callable[[str, int], int],
    outcomes: Mapping[str, int],
    exceptions: Mapping[str, int],
    duration_s: float,
    quota: Mapping[str, float],
) -> CostFacts:
    """Return a run's cost report.

    Args:
        groups: the ledger's `cost_groups`.
        run: what the page's head shows.
        saved: calls not made, by disposition and operation.
        price: price of a family's call, given the month's calls so far (millionths).
        outcomes: records by outcome.
        exceptions: exceptions by class.
        duration_s: how long verifying took.
        quota: the quota in calls a second, by family.
    """
    total = Line()
    by: dict[str, dict[str, Line]] = {name: defaultdict(Line) for name in ("operation", "family", "day", "cost_centre")}
    for group in groups:
        total.add(group)
        for name, lines in by.items():
            lines[day_of(group.day) if name == "day" else getattr(group, name)].add(group)
    sent = {family: line.sent for family, line in by["family"].items()}
    rates = {family: (sent.get(family, 0) / max(duration_s, 1.0), limit) for family, limit in quota.items()}
    return CostFacts(
        run=run,
        total=total,
        by={name: dict(sorted(lines.items())) for name, lines in by.items()},
        savings=_savings(saved, price),
        outcomes=dict(outcomes),
        exceptions=dict(exceptions),
        throttled=sum(group.n for group in groups if group.status == 429),
        duration_s=duration_s,
        rates=rates,
        rows=cost_rows(groups, run),
    )


def cost_rows(groups: Iterable[Group], run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the cost table: by month, branch, cost centre, family and operation."""
    lines: dict[tuple[str, ...], Line] = defaultdict(Line)
    for group in groups:
        lines[group.month, group.org_code, group.cost_centre, group.family, group.operation].add(group)
    return [_cost_row(key, line, run) for key, line in sorted(lines.items()) if line.sent]


def day_of(days: int) -> str:
    """Return a day counted from 1970 as ISO text."""
    return (_EPOCH + dt.timedelta(days=int(days))).isoformat()


def _cost_row(key: tuple[str, ...], line: Line, run: Mapping[str, Any]) -> dict[str, Any]:
    month, org_code, cost_centre, family, operation = key
    unit = from_micros(line.certain // line.answered) if line.answered else Decimal(0)
    return {
        "bill_month": month,
        "business_date": str(run["business_date"]),
        "run_id": run["run_id"],
        "org_code": org_code,
        "cost_centre": cost_centre,
        "enterprise_project": run.get("enterprise_project", ""),
        "family": family,
        "operation": operation,
        "calls_sent": line.sent,
        "calls_billable": line.answered,
        "calls_unbilled": line.refused,
        "calls_in_doubt": line.in_doubt,
        "unit_price": str(unit),
        "amount_certain": str(from_micros(line.certain)),
        "amount_possible": str(from_micros(line.possible)),
        "wasted": str(from_micros(line.wasted)),
        "price_version": run["price_version"],
    }


def _savings(saved: Mapping[str, Mapping[str, int]], price: Callable[[str, int], int]) -> list[Saving]:
    names = {"reused": "saved_reused", "duplicate": "saved_duplicate", "rejected": "saved_screened"}
    found = []
    for disposition, name in names.items():
        operations = saved.get(disposition, {})
        micros = sum(count * price(OPERATIONS[Operation(one)].family, 0) for one, count in operations.items())
        found.append(Saving(name, sum(operations.values()), micros))
    return found
