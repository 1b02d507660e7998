"""Who lets a plan spend: the profile up to an amount, above it a person, by the plan's hash."""

from __future__ import annotations

from tasks.ledger import Ledger, RunRow
from tasks.ledger.decided import Decision, keep
from tasks.ledger.runs import plan_of
from tasks.records.money import to_micros
from tasks.settings import Money


def approved_cap(ledger: Ledger, run: RunRow, money: Money) -> int | None:
    """Return what a run may spend at most (millionths), or None while it waits for a person.

    A plan whose worst case is within `approve_above`, and one that asks nothing, approve themselves; the approved worst
    case becomes the run's cap. An approval names the plan's hash, so it dies with any change of the plan; the newest
    word counts, so a rejected plan stays so until somebody approves it.
    """
    worst = int(plan_of(run)["estimate"]["worst"])
    said = verdict(ledger, run.plan_hash)
    if said == "approve" or (said == "" and worst <= to_micros(money.approve_above)):
        return min(worst, to_micros(money.cap_run))
    return None


def verdict(ledger: Ledger, plan_hash: str) -> str:
    """Return the newest word about a plan: ``approve``, ``reject``, or nothing."""
    words = [row for kind in ("approve", "reject") if (row := ledger.decided(kind, plan_hash)) is not None]
    return str(max(words, key=lambda row: row.at_us).kind) if words else ""


def decide(ledger: Ledger, plan_hash: str, kind: str, *, who: str, why: str) -> None:
    """Keep what a person said to a plan."""
    order = Decision(kind, plan_hash, who, why, ledger.clock_us())
    ledger.write(lambda connection: keep(connection, order))
