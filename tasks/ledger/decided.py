"""What people decided: each order with its kind, what it is about, who gave it, why and when."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, or_, select

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


def keep_word(connection: Connection, order: Decision, *, earlier: bool = False) -> None:
    """Write down what somebody said to a plan, as the newest word about it, whatever the clock says; once by its id.

    Args:
        connection: inside a transaction.
        order: the word.
        earlier: it was given some time ago, on a form: an approval is kept before a rejection that came meanwhile.
    """
    if named(connection, [order.decision]):
        return
    last, at_us = _newest_word(connection, order.target), order.at_us
    if last is not None:
        undone = earlier and order.kind == "approve" and last.kind == "reject"
        at_us = last.at_us - 1 if undone else max(at_us, last.at_us + 1)
    keep(connection, replace(order, at_us=at_us))


def verdict(connection: Connection, plan_hash: str) -> str:
    """Return the newest word about a plan: ``approve``, ``reject``, or nothing."""
    last = _newest_word(connection, plan_hash)
    return str(last.kind) if last is not None else ""


def _newest_word(connection: Connection, plan_hash: str) -> Row[Any] | None:
    about = (decisions.c.kind.in_(WORDS), decisions.c.target == plan_hash)
    return connection.execute(select(decisions).where(*about).order_by(decisions.c.at_us.desc())).first()


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
