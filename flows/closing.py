"""What closing does: reconcile, report, write files; a new revision only where something is new.

Results are never edited. Where a decision, a redrive or a late answer changed what a run's rows say, the next revision
stands beside the older ones, and its manifest says which it supersedes and which decisions stand between them. Closed
again with nothing new, a run keeps its revision and its files.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from tasks.ledger import RunBusyError, RunRow, repeats
from tasks.ledger.budget import run_scope
from tasks.ledger.decided import about_run
from tasks.ledger.runs import LEAVING, NOTHING_STAGED, finish, kept, plan_of, staged_until, stopped_for
from tasks.ledger.spans import seconds_asking
from tasks.reconcile import Reconciled, reconcile
from tasks.reconcile.tables import TableFiles
from tasks.records import NEEDS_A_PERSON, State
from tasks.records.contracts import contract
from tasks.records.money import from_micros
from tasks.report import CostFacts, cost_facts, html_page
from tasks.runtime import Runtime
from tasks.staging import Manifest, Part, Staging, keep, kept_parts, listed
from tasks.storage import Missing
from tasks.text import Text

_RUNS_LOOKED_AT: Final = 1_000
_DAY_US: Final = 86_400_000_000
_STATES: Final = {
    "budget": State.STOPPED_BUDGET,
    "window": State.STOPPED_WINDOW,
    "account": State.STOPPED_ACCOUNT,
    "not_approved": State.STOPPED_NOT_APPROVED,
    "halted": State.STOPPED_HALTED,
    "cancelled": State.STOPPED_CANCELLED,
    "canary": State.STOPPED_CANARY,
    "provider": State.STOPPED_PROVIDER,
}


@dataclass(slots=True)
class Closed:
    """What closing made: the run's object, the report's facts, what reconciling found."""

    summary: dict[str, Any]
    facts: CostFacts
    found: Reconciled


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a run's results: its number, the digest of what it says, and what it rests on."""

    number: int
    content: str
    decisions: tuple[str, ...]
    supersedes: int
    because: tuple[str, ...]


def close_now(held: Runtime, run_id: str, folder: Path) -> Closed:
    """Write a run's results and report below `folder` and into the results store, unless nothing is new.

    Raises:
        RunBusyError: another living process is at it.
        NotConservedError, ContractError, StagingError: see `reconcile`.
    """
    run = _ours(held, held.ledger.run(run_id))
    number = int(run.revision) + 1
    staging = held.staging(plan_of(run)["staging"])
    found = reconcile(run, revision=number, profile=held.profile, ledger=held.ledger, staging=staging, folder=folder)
    state = state_of(run, found)
    facts = _facts(held, run, found, number, state)
    made = _revision(held, run, found, facts, state)
    facts.run = {**facts.run, "supersedes": made.supersedes, "because": made.because}
    summary = _last(run)
    if made.content != summary.get("content") or not _stands(held, run):
        places = _write(held, run, found, facts, folder, made)
        summary = run_object(held, run, state, made, found, facts) | places
    _finish(held, run, state, summary)
    held.mark_ledger()
    tidy = run.kept_chunks in {NOTHING_STAGED, LEAVING} or (run.kept_chunks and summary["revision"] == run.revision)
    if state in {State.COMPLETED, State.COMPLETED_WITH_EXCEPTIONS} and not tidy:
        keep_open(held, run, found, int(summary["revision"]))
    return Closed(summary, facts, found)


def keep_open(held: Runtime, run: RunRow, found: Reconciled, revision: int) -> None:
    """Delete an ended run's staged chunks, but for the records that may be asked again."""
    staging = held.staging(plan_of(run)["staging"])
    before = kept_parts(run.kept_chunks, staging.manifest(plan_of(run)["manifest_sha256"]))
    wanted = found.open_records if held.profile.privacy.staging_days else {}
    now = keep(staging, [part for part in before if part.chunk in wanted], wanted, f"r{revision}")
    _replace(held, run, staging, now, before)


def forget_staged(held: Runtime) -> list[str]:
    """Delete what ended runs have staged longer than the profile allows, and return their ids."""
    before = held.ledger.clock_us() - held.profile.privacy.staging_days * _DAY_US
    old = held.ledger.read(partial(staged_until, profile=held.profile.name, before_us=before))
    for run in old:
        staging = held.staging(plan_of(run)["staging"])
        try:
            chunks = staging.manifest(plan_of(run)["manifest_sha256"]).chunks
        except Missing:  # somebody has emptied the store, or a rule of its own
            chunks = ()
        _replace(held, run, staging, (), {*chunks, *kept_parts(run.kept_chunks, Manifest((), chunks))})
    return [run.run_id for run in old]


def forget_unclaimed(held: Runtime) -> list[str]:
    """Delete what was staged by starts that died while they planned, and return their folders.

    Only where another start has claimed that run since: one that is being planned has nothing in the ledger yet.
    """
    claimed = {run.run_id: plan_of(run)["staging"] for run in held.ledger.runs(held.profile.name, most=_RUNS_LOOKED_AT)}
    lost = [one for one in held.staged.folders() if claimed.get(one.rpartition("-")[0], one) != one]
    found = [item.key for folder in lost for item in held.staged.list(f"{folder}/")]
    for key in found:
        held.staged.delete(key)
    return sorted({key.partition("/")[0] for key in found})


def _replace(held: Runtime, run: RunRow, staging: Staging, now: Collection[Part], before: Collection[Part]) -> None:
    """Write down what is staged from now on, then delete the rest; a run that somebody has taken keeps all.

    A death in between leaves too much, which is deleted when it has been staged for long enough.
    """

    def write(chunks: str) -> bool:
        return held.ledger.write(lambda connection: kept(connection, run.run_id, chunks, epoch=int(run.epoch)))

    if not write(listed(now) if now else LEAVING):
        now, before = before, now
    names = {part.name for part in now}
    staging.remove_parts([part for part in before if part.name not in names])
    if not now:
        write(NOTHING_STAGED)


def _stands(held: Runtime, run: RunRow) -> bool:
    """Tell whether the newest revision's manifest, which is written last, lies in the store."""
    try:
        held.results.get(f"{run.run_id}/r{run.revision}/manifest.json")
    except Missing:
        return False
    return True


def _ours(held: Runtime, run: RunRow) -> RunRow:
    if run.owner and run.owner != held.ledger.owner.name and held.ledger.owner.is_alive(run.owner):
        raise RunBusyError(f"run {run.run_id} is under way in another process: it closes itself; `cancel` stops it")
    return run


def _revision(held: Runtime, run: RunRow, found: Reconciled, facts: CostFacts, state: State) -> Revision:
    behind = tuple(row.decision for row in held.ledger.read(partial(about_run, run_id=run.run_id)))
    last = _last(run)
    said = orjson.dumps([found.content, facts.rows, state.value], option=orjson.OPT_SORT_KEYS)
    because = tuple(name for name in behind if name not in last.get("decisions", ()))
    return Revision(int(run.revision) + 1, hashlib.sha256(said).hexdigest(), behind, int(run.revision), because)


def _last(run: RunRow) -> dict[str, Any]:
    """Return the object of the revision before, or an empty one."""
    last: dict[str, Any] = orjson.loads(run.closing) if run.closing else {}
    return last


def _finish(held: Runtime, run: RunRow, state: State, summary: dict[str, Any]) -> None:
    write = partial(
        finish,
        run_id=run.run_id,
        epoch=int(run.epoch),
        state=state.value,
        revision=int(summary["revision"]),
        closing=orjson.dumps(summary).decode(),
        now_us=held.ledger.clock_us(),
        late_seen=int(run.late),
    )
    held.ledger.write(write)


def state_of(run: RunRow, found: Reconciled) -> State:
    """Return how a run ended: stopped for its reason, or completed, with exceptions where a person is needed."""
    if run.stop or found.outcomes["not_attempted"]:
        return _STATES.get(run.stop or stopped_for(run), State.STOPPED_CANCELLED)
    needs = any(found.outcomes[outcome] for outcome in NEEDS_A_PERSON)
    return State.COMPLETED_WITH_EXCEPTIONS if needs else State.COMPLETED


def run_object(
    held: Runtime, run: RunRow, state: State, made: Revision, found: Reconciled, facts: CostFacts
) -> dict[str, Any]:
    """Return the object a run ends with, as the terminal prints it; money is text."""
    booked = held.ledger.booked(run_scope(run.run_id))
    start = _calls_and_money(held.ledger.counts(owner=held.ledger.owner.name))
    whole = _calls_and_money(held.ledger.counts(run.run_id))
    money = {"currency": held.prices.currency, "cap": str(from_micros(booked.cap_micros if booked else 0))}
    return {
        "run_id": run.run_id,
        "profile": run.profile,
        "business_date": run.business_date.isoformat(),
        "sequence": run.sequence,
        "plan_hash": run.plan_hash,
        "revision": made.number,
        "state": state.value,
        "records": {"total": sum(found.outcomes.values()), "outcomes": dict(sorted(found.outcomes.items()))},
        "reasons": dict(sorted(found.reasons.items())),
        "calls": start[0],
        "money": money | start[1],
        "run_calls": whole[0],
        "run_money": money | whole[1],
        "throttled": facts.throttled,
        "voided": facts.voided,
        "repeats": {"calls": facts.repeats.calls, "amount": str(from_micros(facts.repeats.micros))},
        "duration_s": round(facts.duration_s, 1),
        "content": made.content,
        "decisions": list(made.decisions),
    }


def _calls_and_money(rows: list[Any]) -> tuple[dict[str, int], dict[str, str]]:
    left = [row for row in rows if row.state != "withdrawn"]
    calls = {"sent": sum(row.n for row in left)}
    for name, states in (("answered", {"answered"}), ("refused", {"refused"}), ("in_doubt", {"in_doubt", "sent"})):
        calls[name] = sum(row.n for row in left if row.state in states)
    money = {
        charge: str(from_micros(sum(int(row.micros) for row in left if row.charge == charge)))
        for charge in ("certain", "possible")
    }
    return calls, money


def _facts(held: Runtime, run: RunRow, found: Reconciled, revision: int, state: State) -> CostFacts:
    booked = held.ledger.booked(run_scope(run.run_id))
    plan = plan_of(run)
    head = {
        "run_id": run.run_id,
        "profile": run.profile,
        "business_date": run.business_date.isoformat(),
        "revision": revision,
        "state": state.value,
        "currency": plan["currency"],
        "price_version": plan["price_version"],
        "price_source": plan["price_source"],
        "plan_hash": run.plan_hash,
        "cap": booked.cap_micros if booked else 0,
        "enterprise_project": held.profile.account.enterprise_project_id,
    }
    facts = cost_facts(
        held.ledger.cost_groups(run.run_id),
        run=head,
        saved=plan["saved"],
        price=held.prices.at,
        outcomes=dict(found.outcomes),
        exceptions=dict(found.exceptions),
        duration_s=held.ledger.read(partial(seconds_asking, run_id=run.run_id)),
        quota={family.value: rate for family, rate in held.profile.limits.rate_per_s.items()},
    )
    facts.repeats = held.ledger.read(partial(repeats.of_run, run_id=run.run_id))
    facts.voided = found.voided
    facts.inputs = plan.get("inputs", {})
    return facts


def _write(
    held: Runtime, run: RunRow, found: Reconciled, facts: CostFacts, folder: Path, made: Revision
) -> dict[str, str]:
    """Put all files into the results store, the manifest last, and return where results, report and manifest are."""
    text = Text(held.profile.language)
    with TableFiles(folder, contract("cost"), text, xlsx_rows=0) as cost:
        cost.write(facts.rows)
    found.files |= dict.fromkeys(cost.paths, cost.rows)
    manifest = _manifest(run, found, made)
    page = html_page(facts, text, manifest=hashlib.sha256(manifest).hexdigest(), made_at=dt.datetime.now(dt.UTC))
    base = f"{run.run_id}/r{made.number}"
    for path in found.files:
        held.results.put(f"{base}/{path.name}", path)
    held.results.put(f"{base}/report.html", page.encode("utf-8"), content_type="text/html; charset=utf-8")
    held.results.put(f"{base}/manifest.json", manifest, content_type="application/json")
    names = {"results": "results.parquet", "report": "report.html", "manifest": "manifest.json"}
    return {key: held.results.address(f"{base}/{name}") for key, name in names.items()}


def _manifest(run: RunRow, found: Reconciled, made: Revision) -> bytes:
    files = {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
            "rows": rows,
        }
        for path, rows in sorted(found.files.items())
    }
    head = {
        "run_id": run.run_id,
        "revision": made.number,
        "supersedes": made.supersedes or None,
        "because": made.because,
        "decisions": made.decisions,
        "content": made.content,
        "plan_hash": run.plan_hash,
        "files": files,
    }
    return orjson.dumps(head, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
