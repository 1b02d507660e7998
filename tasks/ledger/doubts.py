"""Calls that wait for a person, and what a person may decide about them.

``resend`` frees the question: the next night asks it again, and it may be paid a second time. ``write-off`` ends it: no
answer will come, its money stays as possibly (or certainly) spent, and the record counts as failed until its clock says
that it is due again. Each decision is kept with who and why.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, select, text

from tasks.ledger.errors import LedgerError
from tasks.ledger.schema import calls, decisions, unsent

_FREE: Final = text(
    "UPDATE calls SET open = 0, decision = :decision, outcome = CASE WHEN :end = 1 THEN 'failed' ELSE outcome END, "
    "ended_us = coalesce(ended_us, :now) WHERE call_id = :call_id AND open = 1 AND state <> 'sent'"
)


def waiting(connection: Connection) -> list[Row[Any]]:
    """Return the calls that are open and no longer under way, oldest first."""
    chosen = select(calls).where(calls.c.open == 1, calls.c.state != "sent").order_by(calls.c.sent_us)
    return list(connection.execute(chosen))


def decide(connection: Connection, *, call_id: str, kind: str, who: str, why: str, decision: str, now_us: int) -> None:
    """Settle a waiting call, and keep the decision.

    Raises:
        LedgerError: no such call waits.
    """
    values = {"decision": decision, "call_id": call_id, "end": int(kind == "write-off"), "now": now_us}
    if connection.execute(_FREE, values).rowcount != 1:
        raise LedgerError(f"no call {call_id!r} waits for a decision: see `in-doubt list`")
    row = {"decision": decision, "kind": kind, "target": call_id, "who": who, "why": why, "at_us": now_us}
    connection.execute(decisions.insert().values(**row))


def story(connection: Connection, record_ref: str) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Return a record's calls, and what is written of it where none decided, over all runs, oldest first."""
    asked = select(calls).where(calls.c.record_ref == record_ref).order_by(calls.c.sent_us, calls.c.attempt)
    left = select(unsent).where(unsent.c.record_ref == record_ref).order_by(unsent.c.at_us)
    return list(connection.execute(asked)), list(connection.execute(left))
