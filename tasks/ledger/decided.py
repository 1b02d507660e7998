"""What people decided: each order with its kind, what it is about, who gave it, why and when."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select

from tasks.ledger.schema import calls, decisions, runs, unsent

ALL: Final = "all"
"""The target of what is about every call of the ledger: `halt` and `release`."""
WORDS: Final = ("approve", "reject")
"""What may be said to a plan; the target is its hash."""


def new_id() -> str:
    """Return an id for a decision, a start or a call."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody ordered; the name is as typed in, and vouched for by nobody."""

    kind: str
    target: str
    who: str
    why: str
    at_us: int
    decision: str = field(default_factory=new_id)


def keep(connection: Connection, decision: Decision) -> str:
    """Write a decision down, and return its id."""
    connection.execute(decisions.insert().values(**asdict(decision)))
    return decision.decision


def keep_word(connection: Connection, order: Decision) -> None:
    """Write down what somebody said to a plan, as the newest word about it, whatever the clock says; once by its id."""
    if named(connection, [order.decision]):
        return
    about = and_(decisions.c.kind.in_(WORDS), decisions.c.target == order.target)
    last = connection.execute(select(func.max(decisions.c.at_us)).where(about)).scalar() or 0
    keep(connection, replace(order, at_us=max(order.at_us, last + 1)))


def listed(connection: Connection, most: int = 50) -> list[Row[Any]]:
    """Return the latest decisions, newest first."""
    return list(connection.execute(select(decisions).order_by(decisions.c.at_us.desc()).limit(most)))


def named(connection: Connection, names: Sequence[str]) -> dict[str, Row[Any]]:
    """Return decisions by their ids."""
    return {row.decision: row for row in connection.execute(_NAMED, {"names": list(names)})}


_NAMED: Final = select(decisions).where(decisions.c.decision.in_(bindparam("names", expanding=True)))


def about_run(connection: Connection, run_id: str) -> list[Row[Any]]:
    """Return the decisions behind a run's results, oldest first: about its plan, the run, and the calls it shows."""
    pointed = select(unsent.c.open_call).where(unsent.c.run_id == run_id, unsent.c.open_call != "")
    of_calls = select(calls.c.decision).where(
        calls.c.decision != "", or_(calls.c.run_id == run_id, calls.c.call_id.in_(pointed))
    )
    of_run = or_(decisions.c.target == run_id, decisions.c.target.startswith(f"{run_id}#", autoescape=True))
    plan_hash = select(runs.c.plan_hash).where(runs.c.run_id == run_id).scalar_subquery()
    of_plan = and_(decisions.c.kind.in_(WORDS), decisions.c.target == plan_hash)
    chosen = select(decisions).where(or_(of_plan, of_run, decisions.c.decision.in_(of_calls)))
    return list(connection.execute(chosen.order_by(decisions.c.at_us)))
