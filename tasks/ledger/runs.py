"""Runs: the plan claimed once, who owns it, why it stopped, how it ended."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, case, select, text, update
from sqlalchemy.exc import IntegrityError

from tasks.ledger.errors import RunBusyError
from tasks.ledger.schema import runs, switches, unsent

RunRow = Row[Any]

FINISHED: Final = ("completed", "completed_with_exceptions")

NOTHING_STAGED: Final = "[]"
"""What `kept_chunks` says of a run whose staged chunks are deleted."""

LEAVING: Final = "[ ]"
"""The same list of nothing, while the chunks are being deleted: where that was cut short it is done again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A plan to be claimed: its key, its hash, and its summary as JSON (counts, chunks, prices; no personal data)."""

    run_id: str
    profile: str
    source: str
    business_date: dt.date
    sequence: int
    plan_hash: str
    plan: str
    as_of_us: int
    state: str
    created_us: int


def plan_of(run: RunRow) -> dict[str, Any]:
    """Return a run's plan: counts, calls by operation and family, estimate, where it is staged."""
    plan: dict[str, Any] = json.loads(run.plan)
    return plan


def claim(connection: Connection, new: Claim) -> bool:
    """Claim a plan under its key; False where another start has claimed one first."""
    values = {name: getattr(new, name) for name in Claim.__slots__}
    connection.exec_driver_sql("SAVEPOINT claim")
    try:
        connection.execute(runs.insert().values(**values))
    except IntegrityError:
        connection.exec_driver_sql("ROLLBACK TO claim")
        return False
    connection.exec_driver_sql("RELEASE claim")
    return True


def by_id(connection: Connection, run_id: str) -> RunRow | None:
    """Return a run, or None."""
    return connection.execute(select(runs).where(runs.c.run_id == run_id)).first()


def newest(connection: Connection, profile: str, source: str, business_date: dt.date) -> RunRow | None:
    """Return the run with the highest sequence of a business date, or None."""
    chosen = (
        select(runs)
        .where(runs.c.profile == profile, runs.c.source == source, runs.c.business_date == business_date)
        .order_by(runs.c.sequence.desc())
    )
    return connection.execute(chosen).first()


def by_hash(connection: Connection, profile: str, plan_hash: str) -> list[RunRow]:
    """Return a profile's runs whose plan's hash begins so."""
    about = (runs.c.profile == profile, runs.c.plan_hash.startswith(plan_hash, autoescape=True))
    return list(connection.execute(select(runs).where(*about)))


def listed(connection: Connection, *, profile: str | None = None, most: int = 50) -> list[RunRow]:
    """Return the latest runs, newest first."""
    chosen = select(runs).order_by(runs.c.created_us.desc()).limit(most)
    if profile is not None:
        chosen = chosen.where(runs.c.profile == profile)
    return list(connection.execute(chosen))


def unfinished(connection: Connection, profile: str, until: dt.date) -> list[RunRow]:
    """Return a profile's runs of business dates up to `until` that were planned and never closed, oldest first."""
    chosen = (
        select(runs)
        .where(runs.c.profile == profile, runs.c.business_date <= until, runs.c.state.in_(("planned", "running")))
        .order_by(runs.c.business_date, runs.c.sequence)
    )
    return list(connection.execute(chosen))


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes a run over, and when; `again` for a redrive, which leaves a run stopped that it found stopped."""

    owner: str
    now_us: int
    again: bool = False


def take(connection: Connection, run_id: str, taker: Taker, *, owner_is_alive: bool) -> int:
    """Make somebody the run's owner, clear an earlier stop, and return the new epoch.

    Raises:
        RunBusyError: the present owner is alive.
    """
    row = by_id(connection, run_id)
    assert row is not None
    if owner_is_alive and row.owner and row.owner != taker.owner:
        raise RunBusyError(f"run {run_id} is under way in another process: wait for it, or stop it first")
    epoch = int(row.epoch) + 1
    connection.execute(
        update(runs)
        .where(runs.c.run_id == run_id)
        .values(
            owner=taker.owner,
            epoch=epoch,
            stop="",
            stopped_before=stopped_for(row) if taker.again else "",
            state="running",
            started_us=row.started_us or taker.now_us,
            ended_us=None,
        )
    )
    return epoch


def stopped_for(run: RunRow) -> str:
    """Return why a run left records unattempted: what stopped it before a redrive took it, else now; or nothing."""
    return str(run.stopped_before or run.stop)


_STOP: Final = text(
    "UPDATE runs SET stop = :reason WHERE run_id = :run_id AND stop IN ('', 'not_approved') AND :epoch IN (0, epoch)"
)


def stop(connection: Connection, run_id: str, reason: str, *, epoch: int = 0) -> None:
    """Set the run's stop flag, which every later call checks; the first reason stays, but for a form that waits.

    An owner says its epoch, so that one which has lost the run stops nobody else.
    """
    connection.execute(_STOP, {"run_id": run_id, "reason": reason, "epoch": epoch})


def staged_until(connection: Connection, profile: str, before_us: int) -> list[RunRow]:
    """Return a profile's runs that ended before a moment and still have chunks in the store."""
    chosen = select(runs).where(
        runs.c.profile == profile, runs.c.ended_us < before_us, runs.c.kept_chunks != NOTHING_STAGED
    )
    return list(connection.execute(chosen))


def kept(connection: Connection, run_id: str, chunks: str, *, epoch: int) -> bool:
    """Write which staged chunks a run has left, as a JSON list; False where somebody has taken it since that epoch."""
    same = update(runs).where(runs.c.run_id == run_id, runs.c.epoch == epoch)
    return connection.execute(same.values(kept_chunks=chunks)).rowcount == 1


def finish(
    connection: Connection,
    run_id: str,
    *,
    epoch: int,
    state: str,
    revision: int,
    closing: str,
    now_us: int,
    late_seen: int = 0,
) -> None:
    """Write how a run ended; its owner lets go.

    Args:
        connection: inside a transaction.
        run_id: the run.
        epoch: the run's, when its results were made.
        state: how it ended.
        revision: the number of its newest results.
        closing: the object of that revision, as JSON.
        now_us: now.
        late_seen: its late answers before its results were made; another one since makes them old already.

    Raises:
        RunBusyError: somebody has taken it since that epoch, and closes it.
    """
    same = update(runs).where(runs.c.run_id == run_id, runs.c.epoch == epoch)
    ended = same.values(state=state, revision=revision, closing=closing, ended_us=now_us, owner="").values(
        late=case((runs.c.late == late_seen, 0), else_=runs.c.late)
    )
    if connection.execute(ended).rowcount != 1:
        raise RunBusyError(f"run {run_id} was taken over while it was closed: it closes itself")


def set_switch(connection: Connection, name: str, value: str) -> None:
    """Set a switch that all processes see, for instance ``halt``; an empty value clears it."""
    connection.execute(switches.delete().where(switches.c.name == name))
    if value:
        connection.execute(switches.insert().values(name=name, value=value))


@dataclass(frozen=True, slots=True)
class Note:
    """What became of a record for which no call left: its reason, or the open call it depends on.

    `reason_column` names the input column that is at fault, `reason_detail` says how, without anything of its value.
    """

    outcome: str
    at_us: int
    reason: str = ""
    reason_column: str = ""
    reason_detail: str = ""
    open_call: str = ""
    chunk: int = -1


def never_left(connection: Connection, run_id: str, record_ref: str, note: Note) -> None:
    """Write what became of a record for which no call left; it takes the place of what was noted before."""
    connection.execute(unsent.delete().where(unsent.c.run_id == run_id, unsent.c.record_ref == record_ref))
    connection.execute(unsent.insert().values(run_id=run_id, record_ref=record_ref, **asdict(note)))
