"""Make a plan, or load the one that was claimed: every start of a night finds the same plan."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from tasks.ledger import Claim, LedgerError, RunRow
from tasks.ledger.runs import FINISHED, plan_of
from tasks.plan.build import Build, Items
from tasks.plan.draft import Draft
from tasks.plan.screen import Screen
from tasks.plan.seen import Seen
from tasks.pricing import estimate, month_of
from tasks.records.inputs import Inputs
from tasks.runtime import Runtime
from tasks.staging import Manifest


@dataclass(frozen=True, slots=True)
class PlanKey:
    """Which plan is meant: a business date, and its sequence (None: the newest, or the first)."""

    business_date: dt.date
    sequence: int | None = None
    limit: int = 0
    replan: bool = False


Rows = Callable[[Inputs], Iterable[Items]]
"""Yields a source's rows in batches, and tells how its inputs are read."""


def load_or_make(runtime: Runtime, key: PlanKey, rows: Rows) -> RunRow:
    """Return the run of a business date: the claimed one, or a new plan of what `rows` yields.

    Raises:
        InputError: from `rows`: the source can't be planned (nothing there, unreadable file, missing column).
        PriceError: no prices for the date.
        LedgerError: the date's plan is of another size than was asked for.
    """
    found = runtime.ledger.newest_run(runtime.profile.name, runtime.profile.source.records, key.business_date)
    if found is not None and not key.replan and (key.limit or not _finished_pilot(found)):
        _same_limit(found, key.limit)
        return found
    sequence = int(found.sequence) + 1 if found is not None else 1
    return _make(runtime, key, sequence, rows)


def _finished_pilot(found: RunRow) -> bool:
    """Tell whether a run was of the first rows only, and is done: a night of all rows is still to be planned."""
    return bool(plan_of(found).get("limit", 0)) and found.state in FINISHED


def _same_limit(found: RunRow, limit: int) -> None:
    """Refuse to go on with a plan of other size than was asked for: a pilot must not ask everybody."""
    planned = int(plan_of(found).get("limit", 0))
    if limit and limit != planned:
        size = f"the first {planned} rows" if planned else "all rows"
        raise LedgerError(f"run {found.run_id} was planned for {size}: add --replan to plan the first {limit} rows")


def _make(runtime: Runtime, key: PlanKey, sequence: int, rows: Rows) -> RunRow:
    profile = runtime.profile
    as_of = runtime.ledger.clock_us()
    run_id = _run_id(runtime, key, sequence)
    staging = runtime.staging(f"{run_id}-{runtime.new_id()[:6]}")
    covers, inputs = _covers(runtime, key, run_id), Inputs()
    home = profile.home.expanduser()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Seen(home) as seen:
        draft = Draft(staging, profile.limits, covers)
        build = Build(
            profile=profile,
            names=runtime.names,
            ledger=runtime.ledger,
            screen=Screen(runtime.media, profile.media, runtime.names),
            draft=draft,
            seen=seen,
            on=key.business_date,
            as_of_us=as_of,
        )
        try:
            build.take(_first(rows(inputs), key.limit))
            manifest, hashed = draft.finish()
        except BaseException:
            staging.remove(draft.staged())  # names and numbers of a plan that will never be claimed
            raise
    summary = _summary(runtime, draft, manifest, staging.write_manifest(manifest), staging.folder, as_of)
    summary |= {"limit": key.limit, "inputs": inputs.summary(draft.files)}
    plan_hash = hashlib.sha256(f"{hashed}|{summary['estimate']['worst']}".encode()).hexdigest()
    claimed = runtime.ledger.claim(
        Claim(
            run_id=run_id,
            profile=profile.name,
            source=profile.source.records,
            business_date=key.business_date,
            sequence=sequence,
            plan_hash=plan_hash,
            plan=orjson.dumps(summary).decode(),
            as_of_us=as_of,
            state="planned",
            created_us=as_of,
        )
    )
    if not claimed:
        staging.remove(manifest)
    return runtime.ledger.run(run_id)


def _run_id(runtime: Runtime, key: PlanKey, sequence: int) -> str:
    source = hashlib.sha256(runtime.profile.source.records.encode()).hexdigest()[:4]
    return f"{runtime.profile.name}-{key.business_date:%Y%m%d}-{sequence}-{source}"


def _covers(runtime: Runtime, key: PlanKey, run_id: str) -> bytes:
    """Return what a plan's hash covers beside its records: its run too, since no other is approved with it."""
    profile = runtime.profile
    covered = {
        "policy": profile.policy.model_dump(mode="json"),
        "media": profile.media.model_dump(mode="json"),
        "prices": runtime.prices.digest,
        "endpoint": profile.account.endpoint,
        "project": profile.account.project_id,
        "run": run_id,
        "limit": key.limit,
    }
    return orjson.dumps(covered, option=orjson.OPT_SORT_KEYS)


def _summary(
    runtime: Runtime, draft: Draft, manifest: Manifest, manifest_sha256: str, folder: str, as_of_us: int
) -> dict[str, Any]:
    families = draft.families()
    month = month_of(as_of_us)
    priced = estimate(runtime.prices, families, runtime.ledger.month_calls(month))
    return {
        "records": sum(draft.counts.values()),
        "dispositions": dict(draft.counts),
        "files": dict(draft.files),
        "noted": {name: count for name, count in draft.noted.items() if count},
        "operations": dict(draft.asked),
        "families": families,
        "saved": {disposition: dict(counts) for disposition, counts in draft.saved.items()},
        "chunks": len(manifest.chunks),
        "estimate": {"minimum": priced.minimum, "likely": priced.likely, "worst": priced.worst},
        "currency": runtime.prices.currency,
        "price_version": runtime.prices.version,
        "price_source": runtime.prices.source,
        "seconds": _seconds(runtime, families),
        "staging": folder,
        "manifest_sha256": manifest_sha256,
    }


def _seconds(runtime: Runtime, families: dict[str, int]) -> float:
    """How long the calls take at the rate the quota allows; families go side by side unless they share one quota."""
    needed = [count / runtime.lane_rate(family) for family, count in families.items()]
    if not needed:
        return 0.0
    return round(sum(needed) if runtime.profile.limits.shared_quota else max(needed), 1)


def _first(batches: Iterable[Items], limit: int) -> Iterable[Items]:
    """Return the batches, or no more than `limit` rows of them where it is not 0."""
    if not limit:
        yield from batches
        return
    left = limit
    for batch in batches:
        yield batch[:left]
        left -= len(batch)
        if left <= 0:
            return
