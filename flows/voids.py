"""Void a run, or one input file of it: what it takes beside the ledger, which knows no file names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow.compute as pc
from sqlalchemy import Connection, select

from tasks.ledger import LedgerError, RunBusyError, RunRow
from tasks.ledger.decided import Decision
from tasks.ledger.runs import by_id, plan_of
from tasks.ledger.schema import calls, unsent
from tasks.ledger.voids import later_runs, target_of, void
from tasks.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Voided:
    """What a void did: the decision's target, its calls, and the later runs that had relied on them."""

    target: str
    calls: int
    relying: tuple[str, ...]


def void_now(held: Runtime, run_id: str, file: str, *, who: str, why: str) -> Voided:
    """Take a run's verdicts, or those of one input file, out of force.

    Raises:
        LedgerError: no such run or file, or it is void already.
        RunBusyError: the run is under way.
    """
    run = held.ledger.run(run_id)
    if run.owner and held.ledger.owner.is_alive(run.owner):
        raise RunBusyError(f"run {run_id} is under way: `cancel` it, or `halt` everything, before it is made void")
    files = sorted(plan_of(run)["files"])
    if file and file not in files:
        raise LedgerError(f"run {run_id} has {len(files)} files, none of that name: see source_file in its results")
    target = target_of(run_id, files.index(file) if file else None)
    order = Decision("void", target, who, why, held.ledger.clock_us())
    refs = _refs_of(held, run, file) if file else None

    def work(connection: Connection) -> int:
        now = by_id(connection, run_id)
        if now is None or now.epoch != run.epoch:
            raise RunBusyError(f"run {run_id} was started a moment ago: `cancel` it first")
        return void(connection, order, run_id, refs)

    count = held.ledger.write(work)
    return Voided(target, count, tuple(_relying(held, run_id)))


def _refs_of(held: Runtime, run: RunRow, file: str) -> list[str]:
    """Return a file's records: the staged rows are the one place that knows which record lay in which file."""
    found: list[str] = []
    for table in _rows(held, run):
        found += table.filter(pc.equal(table["source_file"], file))["record_ref"].to_pylist()
    return found


def _relying(held: Runtime, run_id: str) -> list[str]:
    """Return the later runs of this profile in which a row relies on a void call."""
    later = [run for run in held.ledger.read(partial(later_runs, run_id=run_id)) if run.profile == held.profile.name]
    return [run.run_id for run in later if _relies(held, run, run_id)]


def _relies(held: Runtime, run: RunRow, run_id: str) -> bool:
    def pointed(connection: Connection) -> Any:
        others = select(calls.c.call_id).where(calls.c.run_id == run_id)
        chosen = select(unsent.c.record_ref).where(unsent.c.run_id == run.run_id, unsent.c.open_call.in_(others))
        return connection.execute(chosen.limit(1)).first()

    if held.ledger.read(pointed) is not None:
        return True
    return any(pc.any(pc.equal(table["relied_on_run"], run_id)).as_py() for table in _rows(held, run))


def _rows(held: Runtime, run: RunRow) -> Any:
    plan = plan_of(run)
    staging = held.staging(plan["staging"])
    return map(staging.read, staging.manifest(plan["manifest_sha256"]).rows)
