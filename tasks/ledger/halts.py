"""The switch that lets no call leave, of any run of this ledger, and the stop of one run; each with its decision.

Departures read both in their own transaction, so a call that was not yet written when the order became durable does not
leave; one that was written just before leaves within half a second, its slot's distance.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, select

from tasks.ledger.decided import Decision, keep
from tasks.ledger.errors import LedgerError
from tasks.ledger.runs import FINISHED, by_id, set_switch, stop
from tasks.ledger.schema import decisions


def halt(connection: Connection, order: Decision) -> None:
    """Let no call leave from now on, and keep who ordered it."""
    keep(connection, order)
    set_switch(connection, "halt", f"{order.who}: {order.why}")


def release(connection: Connection, order: Decision) -> None:
    """Let calls leave again, and keep who ordered it."""
    keep(connection, order)
    set_switch(connection, "halt", "")


def cancel(connection: Connection, order: Decision) -> str:
    """Set a run's stop flag, and return its owner (empty: nobody has it).

    Raises:
        LedgerError: there is no such run, or it has ended.
    """
    run = by_id(connection, order.target)
    if run is None:
        raise LedgerError(f"no run {order.target!r} in this ledger: see `ivs-backfill runs`")
    if run.state in FINISHED or run.state.startswith("stopped"):
        raise LedgerError(f"run {order.target} has ended already: {run.state}")
    keep(connection, order)
    stop(connection, order.target, "cancelled")
    return str(run.owner)


def cancelled_since(connection: Connection, run_id: str, since_us: int) -> bool:
    """Tell whether a person cancelled a run since a moment: a start that was made before it does not go on."""
    about = (decisions.c.kind == "cancel", decisions.c.target == run_id, decisions.c.at_us >= since_us)
    return bool(connection.execute(select(exists().where(*about))).scalar_one())
