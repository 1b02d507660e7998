"""Who lets a plan spend: the profile up to an amount, above it a person, by the plan's hash."""

from __future__ import annotations

from tasks.ledger import Ledger, RunRow
from tasks.ledger.runs import plan_of
from tasks.records.money import to_micros
from tasks.settings import Money


def approved_cap(ledger: Ledger, run: RunRow, money: Money) -> int | None:
    """Return what a run may spend at most (millionths), or None while it waits for a person.

    A plan whose worst case is within `approve_above`, and one that asks nothing, approve themselves; the approved worst
    case becomes the run's cap. An approval names the plan's hash, so it dies with any change of the plan.
    """
    worst = int(plan_of(run)["estimate"]["worst"])
    if worst <= to_micros(money.approve_above) or ledger.decided("approve", run.plan_hash) is not None:
        return min(worst, to_micros(money.cap_run))
    return None
