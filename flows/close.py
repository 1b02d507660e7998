"""Close a run: reconcile, report, artifacts. Works from plan and ledger alone, as often as it is pressed.

Completed, stopped and cancelled runs are all closed the same way; where a process was killed before it could, the next
start or this flow does it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import tempfile
from pathlib import Path
from typing import Any, Final

import orjson
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.states import Ended, ends
from flows.telling import card, link
from tasks.ledger import RunRow
from tasks.ledger.budget import run_scope
from tasks.ledger.runs import finish, plan_of
from tasks.reconcile import Reconciled, reconcile
from tasks.reconcile.tables import TableFiles
from tasks.records import NEEDS_A_PERSON, State
from tasks.records.contracts import contract
from tasks.records.money import from_micros
from tasks.report import (
    CostFacts,
    cost_facts,
    cost_markdown,
    doubts_markdown,
    exceptions_markdown,
    html_page,
    results_markdown,
    trend_markdown,
)
from tasks.runtime import Runtime, runtime
from tasks.text import Text

NIGHTS: Final = 30
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


@flow(name="close", flow_run_name="close {run_id}", persist_result=False)
async def close(profile: str, run_id: str) -> Ended:
    """Write a run's results and report from plan and ledger; make no call.

    Args:
        profile: the profile's name.
        run_id: the run.
    """
    run = await asyncio.to_thread(runtime(profile).ledger.run, run_id)
    return ends(await close_run(profile, run), Text(runtime(profile).profile.language))


async def close_run(profile: str, run: RunRow) -> dict[str, Any]:
    """Close a run and return its object; see `close`."""
    return await _close_task(profile, run.run_id)


@task(name="reconcile and report", persist_result=False, cache_policy=NO_CACHE)
async def _close_task(profile: str, run_id: str) -> dict[str, Any]:
    held = runtime(profile)
    with tempfile.TemporaryDirectory(prefix="ivs-close-") as folder:
        closed = await asyncio.to_thread(_close, held, run_id, Path(folder))
    await _show(held, closed)
    return closed.summary


async def _show(held: Runtime, closed: _Closed) -> None:
    """Show what closing made on Prefect's pages: counts, money, references and links."""
    name, text, about = held.profile.name, Text(held.profile.language), closed.summary["run_id"]
    links = {key: closed.summary[key] for key in ("results", "report", "manifest")}
    doubts, nights = await asyncio.to_thread(lambda: (held.ledger.doubts(), held.ledger.runs(name, most=NIGHTS)))
    pages = {
        "results": results_markdown(closed.facts, text, links),
        "costs": cost_markdown(closed.facts, text),
        "exceptions": exceptions_markdown(closed.found.first_exceptions, closed.found.exceptions, text),
        "in-doubt": doubts_markdown(doubts, name, text),
        "trend": trend_markdown(nights, name, text),
    }
    for page, markdown in pages.items():
        await card(page, name, markdown, about)
    await link("report", name, links["report"], about)


class _Closed:
    """What closing made."""

    def __init__(self, summary: dict[str, Any], facts: CostFacts, found: Reconciled) -> None:
        self.summary = summary
        self.facts = facts
        self.found = found


def _close(held: Runtime, run_id: str, folder: Path) -> _Closed:
    run = held.ledger.run(run_id)
    revision = int(run.revision) + 1
    staging = held.staging(plan_of(run)["staging"])
    found = reconcile(run, revision=revision, profile=held.profile, ledger=held.ledger, staging=staging, folder=folder)
    state = state_of(run, found)
    facts = _facts(held, run, found, revision, state)
    places = _write(held, run, found, facts, folder, revision)
    summary = run_object(held, run, state, revision, found, facts) | places
    now = held.ledger.clock_us()
    closing = orjson.dumps(summary).decode()
    held.ledger.write(lambda c: finish(c, run_id, state=state.value, revision=revision, closing=closing, now_us=now))
    held.mark_ledger()
    if state in {State.COMPLETED, State.COMPLETED_WITH_EXCEPTIONS}:
        staging.remove_chunks(staging.manifest(plan_of(run)["manifest_sha256"]))
    return _Closed(summary, facts, found)


def state_of(run: RunRow, found: Reconciled) -> State:
    """Return how a run ended: stopped for its reason, or completed, with exceptions where a person is needed."""
    if run.stop:
        return _STATES.get(run.stop, State.STOPPED_CANCELLED)
    if found.outcomes["not_attempted"]:
        return State.STOPPED_CANCELLED
    needs = any(found.outcomes[outcome] for outcome in NEEDS_A_PERSON)
    return State.COMPLETED_WITH_EXCEPTIONS if needs else State.COMPLETED


def run_object(
    held: Runtime, run: RunRow, state: State, revision: int, found: Reconciled, facts: CostFacts
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
        "revision": revision,
        "state": state.value,
        "records": {"total": sum(found.outcomes.values()), "outcomes": dict(sorted(found.outcomes.items()))},
        "reasons": dict(sorted(found.reasons.items())),
        "calls": start[0],
        "money": money | start[1],
        "run_calls": whole[0],
        "run_money": money | whole[1],
        "throttled": facts.throttled,
        "duration_s": round(facts.duration_s, 1),
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
    started = run.started_us or held.ledger.clock_us()
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
    return cost_facts(
        held.ledger.cost_groups(run.run_id),
        run=head,
        saved=plan["saved"],
        price=held.prices.at,
        outcomes=dict(found.outcomes),
        exceptions=dict(found.exceptions),
        duration_s=(held.ledger.clock_us() - started) / 1_000_000,
        quota={family.value: rate for family, rate in held.profile.limits.rate_per_s.items()},
    )


def _write(
    held: Runtime, run: RunRow, found: Reconciled, facts: CostFacts, folder: Path, revision: int
) -> dict[str, str]:
    """Put all files into the results store, the manifest last, and return where results, report and manifest are."""
    text = Text(held.profile.language)
    with TableFiles(folder, contract("cost"), text, xlsx_rows=0) as cost:
        cost.write(facts.rows)
    found.files |= dict.fromkeys(cost.paths, cost.rows)
    manifest = _manifest(run, found, revision)
    page = html_page(facts, text, manifest=hashlib.sha256(manifest).hexdigest(), made_at=dt.datetime.now(dt.UTC))
    base = f"{run.run_id}/r{revision}"
    for path in found.files:
        held.results.put(f"{base}/{path.name}", path)
    held.results.put(f"{base}/report.html", page.encode("utf-8"), content_type="text/html; charset=utf-8")
    held.results.put(f"{base}/manifest.json", manifest, content_type="application/json")
    names = {"results": "results.parquet", "report": "report.html", "manifest": "manifest.json"}
    return {key: held.results.address(f"{base}/{name}") for key, name in names.items()}


def _manifest(run: RunRow, found: Reconciled, revision: int) -> bytes:
    files = {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
            "rows": rows,
        }
        for path, rows in sorted(found.files.items())
    }
    head = {"run_id": run.run_id, "revision": revision, "plan_hash": run.plan_hash, "files": files}
    return orjson.dumps(head, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
