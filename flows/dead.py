"""Prefect runs whose process died without a word: a SIGTERM to the worker leaves them RUNNING for ever.

The ledger knows better: a run names its owner, and an owner's lock is free once its process is gone. The state is
called `OwnerDied`, and not `Crashed`, so that no automation starts again what this very start goes on with.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Crashed

from flows.telling import label, told
from tasks.ledger import Ledger, RunRow

MOST_STARTS: Final = 10
SETTLED_S: Final = 60.0
"""A run that began a moment ago may not have written its owner yet, and is left alone."""
_UNDER_WAY: Final = [StateType.RUNNING, StateType.CANCELLING]


class StartedTooOftenError(Exception):
    """One Prefect run has been started again and again: something ends its process each time."""


async def serve(ledger: Ledger, run: RunRow, since_us: int) -> None:
    """Write on this Prefect run which run it serves and since when, and mark those whose process is dead.

    Raises:
        StartedTooOftenError: an automation starts a crashed run again; it must not do so for ever.
    """
    if (flow_run.run_count or 0) > MOST_STARTS:
        raise StartedTooOftenError(f"started {flow_run.run_count} times: find out what ends its process")
    ours = {"ledger": ledger.ledger_id, "owner": ledger.owner.name}
    await label(profile=run.profile, run=run.run_id, since=str(since_us), **ours)
    await told(mark_dead(ledger, run.profile))


def served(ledger: Ledger) -> str:
    """Return the run that this Prefect run served before it was retried, resumed or started again; empty at first."""
    return str(_labels(ledger).get("ivs.run", ""))


async def goes_on(ledger: Ledger) -> int:
    """Return when this Prefect run first began, by the ledger's clock; one that goes on now belongs to this process."""
    if served(ledger):
        await label(owner=ledger.owner.name)
    return int(str(_labels(ledger).get("ivs.since", ledger.clock_us())))


def _labels(ledger: Ledger) -> dict[str, Any]:
    """Return what this Prefect run has written on itself, if it was for this ledger."""
    context = FlowRunContext.get()
    labels = context.flow_run.labels if context is not None and context.flow_run is not None else {}
    return labels if labels.get("ivs.ledger") == ledger.ledger_id else {}


async def mark_dead(ledger: Ledger, profile: str) -> int:
    """Mark a profile's Prefect runs whose owner is dead; return how many. No start goes on with another profile's."""
    under_way = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)))
    async with get_client() as client:
        found = await client.read_flow_runs(flow_run_filter=under_way)
        dead = [run for run in found if run.labels.get("ivs.profile") == profile and _is_dead(run, ledger)]
        for run in dead:
            gone: State[None] = Crashed(name="OwnerDied", message="its process is gone; the next start goes on")
            await client.set_flow_run_state(run.id, gone, force=True)
    return len(dead)


def _is_dead(run: FlowRun, ledger: Ledger) -> bool:
    context = FlowRunContext.get()
    ours = context is not None and context.flow_run is not None and context.flow_run.id == run.id
    labels = run.labels
    if ours or labels.get("ivs.ledger") != ledger.ledger_id or not _settled(run):
        return False
    return not ledger.owner.is_alive(str(labels["ivs.owner"]))


def _settled(run: FlowRun) -> bool:
    return run.state is not None and (dt.datetime.now(dt.UTC) - run.state.timestamp).total_seconds() > SETTLED_S
