"""Calls that wait for a person, and what a person may decide about them.

``resend`` frees the question: a redrive or the next night asks it again, and it may be paid a second time.
``write-off`` ends it: no answer will come, its money stays as possibly (or certainly) spent, and the record counts as
failed until its clock says that it is due again. Each decision is kept with who and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, bindparam, select, text

from tasks.ledger.decided import Decision, keep, new_id
from tasks.ledger.errors import LedgerError
from tasks.ledger.schema import calls, unsent

_FREE: Final = text(
    "UPDATE calls SET open = 0, decision = :decision, outcome = CASE WHEN :end = 1 THEN 'failed' ELSE outcome END, "
    "ended_us = CASE WHEN :end = 1 THEN :now ELSE coalesce(ended_us, :now) END "
    "WHERE call_id = :call_id AND open = 1 AND state <> 'sent'"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which waiting calls are meant: these, or all of a run, or all that left before a moment."""

    call_ids: tuple[str, ...] = ()
    run_id: str = ""
    before_us: int = 0


def waiting(connection: Connection, chosen: Chosen = Chosen()) -> list[Row[Any]]:
    """Return the calls that are open and no longer under way, oldest first."""
    found = select(calls).where(calls.c.open == 1, calls.c.state != "sent").order_by(calls.c.sent_us)
    if chosen.run_id:
        found = found.where(calls.c.run_id == chosen.run_id)
    if chosen.before_us:
        found = found.where(calls.c.sent_us < chosen.before_us)
    rows = list(connection.execute(found))
    return [row for row in rows if row.call_id in chosen.call_ids] if chosen.call_ids else rows


def decide(connection: Connection, *, call_id: str, kind: str, who: str, why: str, decision: str, now_us: int) -> None:
    """Settle a waiting call, and keep the decision.

    Raises:
        LedgerError: no such call waits.
    """
    _settle(connection, call_id, Decision(kind, call_id, who, why, now_us, decision))


def decide_all(connection: Connection, chosen: Chosen, order: Decision) -> list[Row[Any]]:
    """Settle all chosen calls as one piece, each with a decision of its own, and return them as they waited.

    Raises:
        LedgerError: a named call does not wait, or nothing does; nothing is settled then.
    """
    found = waiting(connection, chosen)
    missing = set(chosen.call_ids) - {row.call_id for row in found}
    if missing or not found:
        raise LedgerError(_nothing(sorted(missing)))
    for row in found:
        _settle(connection, row.call_id, replace(order, target=row.call_id, decision=new_id()))
    return found


def runs_touched(connection: Connection, call_ids: Sequence[str]) -> list[str]:
    """Return the runs whose results hang on some calls: their own, and those that point to them."""
    found: set[str] = set()
    for start in range(0, len(call_ids), _TOGETHER):
        part = {"names": list(call_ids[start : start + _TOGETHER])}
        found.update(connection.execute(_TOUCHED, part).scalars())
    return sorted(found)


_TOGETHER: Final = 500
_NAMES: Final[BindParameter[Any]] = bindparam("names", expanding=True)
_TOUCHED: Final = (
    select(calls.c.run_id)
    .where(calls.c.call_id.in_(_NAMES))
    .union(select(unsent.c.run_id).where(unsent.c.open_call.in_(_NAMES)))
)


def unrevised(connection: Connection, profile: str) -> list[str]:
    """Return a profile's closed runs whose newest revision is older than what happened to them since.

    A write-off or a void whose process died before it wrote the revision; or a doubt that was answered late.
    """
    return list(connection.execute(_UNREVISED, {"profile": profile}).scalars())


_UNREVISED: Final = text(
    "SELECT runs.run_id FROM decisions JOIN calls ON calls.call_id = decisions.target "
    "JOIN runs ON runs.run_id = calls.run_id WHERE decisions.kind = 'write-off' "
    "AND runs.profile = :profile AND runs.revision > 0 AND runs.ended_us < decisions.at_us "
    "UNION SELECT runs.run_id FROM decisions JOIN runs ON decisions.target = runs.run_id "
    "OR decisions.target LIKE runs.run_id || '#%' WHERE decisions.kind = 'void' "
    "AND runs.profile = :profile AND runs.revision > 0 AND runs.ended_us < decisions.at_us "
    "UNION SELECT run_id FROM runs WHERE profile = :profile AND revision > 0 AND late > 0 AND ended_us IS NOT NULL "
    "ORDER BY 1"
)


def story(connection: Connection, record_ref: str) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Return a record's calls, and what is written of it where none decided, over all runs, oldest first."""
    asked = select(calls).where(calls.c.record_ref == record_ref).order_by(calls.c.sent_us, calls.c.attempt)
    left = select(unsent).where(unsent.c.record_ref == record_ref).order_by(unsent.c.at_us)
    return list(connection.execute(asked)), list(connection.execute(left))


def _settle(connection: Connection, call_id: str, order: Decision) -> None:
    values = {"decision": order.decision, "call_id": call_id, "end": int(order.kind == "write-off")}
    if connection.execute(_FREE, values | {"now": order.at_us}).rowcount != 1:
        raise LedgerError(_nothing([call_id]))
    keep(connection, order)


def _nothing(call_ids: Sequence[str]) -> str:
    if not call_ids:
        return "no such call waits for a decision: see `in-doubt list`"
    return f"no call {', '.join(map(repr, call_ids))} waits for a decision: see `in-doubt list`"
