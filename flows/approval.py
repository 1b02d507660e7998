"""A plan above `approve_above` waits for a person: a form in the UI, bound to the plan's hash.

The run is suspended: its process ends, and the form may be answered hours later, or never. Until then the ledger says
`not_approved`, so that whoever closes the run, an automation after the form has expired or the next start, writes
that and nothing else. Once answered the flow starts from the top in a fresh process and finds the same claimed plan.
Prefect knows no users: the name is recorded as it was typed.
"""

from __future__ import annotations

import asyncio
import hashlib
from enum import StrEnum
from functools import partial
from typing import Any, cast
from uuid import UUID

from prefect import asuspend_flow_run, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.input import RunInput
from prefect.input.actions import aread_flow_run_input
from prefect.settings import PREFECT_API_URL
from pydantic import Field, create_model

from flows.forms import Name, Reason, words
from flows.telling import told, until_heard
from tasks import approve
from tasks.approve import HASH_SHOWN, verdict
from tasks.ledger import RunRow
from tasks.ledger.runs import plan_of, stop
from tasks.report import plan_markdown
from tasks.runtime import Runtime
from tasks.text import Text


class Verdict(StrEnum):
    """What a person may say to a plan."""

    APPROVE = "approve"
    REJECT = "reject"


class Approval(RunInput):
    """What a person says to a plan."""

    decision: Verdict = Field(title=words("form.verdict"), description=words("form.verdict_is"))
    plan_hash: str = Field(title=words("form.plan_hash"), description=words("form.plan_hash_is"))
    name: Name
    reason: Reason


async def hear(held: Runtime, run: RunRow) -> None:
    """Keep what a person has answered on this flow run's form, once, before anything else may let the plan go.

    The process that goes on after the answer starts from the top, and somebody may have approved the plan elsewhere
    meanwhile: a rejection on the form counts all the same.
    """
    flow_run = _of_a_deployment()
    if flow_run is None or not flow_run.run_count:  # as it was before this start
        return
    await until_heard()
    read = cast("Any", aread_flow_run_input)
    said = await read(key=f"suspended-{_key(run)}-response", flow_run_id=flow_run.id)
    if said is not None:
        await _keep(held, run, flow_run.id, Approval.model_validate(said))


async def asked(held: Runtime, run: RunRow) -> bool:
    """Ask a person for approval of a run's plan; False where nobody is asked: no deployment, or rejected before.

    Where somebody is, this process ends here, and the call returns in the process that goes on after the answer.
    """
    flow_run = _of_a_deployment()
    if flow_run is None or await asyncio.to_thread(verdict, held.ledger, run.plan_hash) == "reject":
        return False
    await held.ledger.awrite(lambda connection: stop(connection, run.run_id, "not_approved"))
    form = form_of(run, plan_markdown(run, plan_of(run), Text(held.profile.language)))
    within_s = int(held.profile.money.approve_within_hours * 3600)
    said = await asuspend_flow_run(wait_for_input=form, timeout=within_s, key=_key(run))
    await _keep(held, run, flow_run.id, form.model_validate(said.model_dump()))
    return True


async def say(held: Runtime, plan_hash: str, said: Approval) -> tuple[RunRow, bool]:
    """Keep a word that is said elsewhere, and answer with it the form that the plan's run waits with, where one does.

    Returns:
        The plan's run, and whether a form was answered, so that it goes on now. Prefect may be away.

    Raises:
        LedgerError: no plan of this profile has this hash, or it is too late for a word about it.
    """
    ledger, profile = held.ledger, held.profile.name
    run = await asyncio.to_thread(approve.planned, ledger, profile, plan_hash)
    served = bool(PREFECT_API_URL.value())  # without a server nobody waits with a form
    waiting = (await told(_waiting(held, run), quiet=True) or []) if served else []
    answer = _answer_id(waiting[0], run, said) if waiting else ""
    word = {"who": said.name, "why": said.reason, "answer": answer}
    run = await asyncio.to_thread(partial(approve.say, ledger, profile, plan_hash, said.decision.value, **word))
    answered = [await told(_resume(flow_run, run, said), quiet=True) for flow_run in waiting]
    return run, any(answered)


async def _waiting(held: Runtime, run: RunRow) -> list[UUID]:
    """Return the flow runs that wait with a form for a word about a run's plan."""
    suspended = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Suspended"])))
    async with get_client() as client:
        found = await client.read_flow_runs(flow_run_filter=suspended)
    ours = {"ivs.ledger": held.ledger.ledger_id, "ivs.run": run.run_id}
    return [one.id for one in found if ours.items() <= one.labels.items()]


async def _resume(flow_run: UUID, run: RunRow, said: Approval) -> bool:
    """Answer a flow run's form, as its button does; return whether it was taken."""
    answer = {"decision": said.decision.value, "plan_hash": run.plan_hash[:HASH_SHOWN]}
    answer |= {"name": said.name, "reason": _reason(said)}
    async with get_client() as client:
        return (await client.resume_flow_run(flow_run, run_input=answer)).status is SetStateStatus.ACCEPT


def _of_a_deployment() -> FlowRun | None:
    """Return this flow run where it is a deployment's; others can't be suspended."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context is not None else None
    return flow_run if flow_run is not None and flow_run.deployment_id is not None else None


def _key(run: RunRow) -> str:
    return f"approve-{run.plan_hash[:16]}"


def _answer_id(flow_run: UUID, run: RunRow, said: Approval) -> str:
    """Return an answer's own name, so that a later start of the same flow run does not give it again."""
    answer = f"{flow_run}/{run.plan_hash}/{said.decision}/{said.name}/{_reason(said)}"
    return hashlib.sha256(answer.encode()).hexdigest()[:32]


def _reason(said: Approval) -> str:
    """Return what stands as the reason on the form, which wants one."""
    return said.reason or said.decision.value


async def _keep(held: Runtime, run: RunRow, flow_run: UUID, said: Approval) -> None:
    word = {"who": said.name, "why": said.reason, "answer": _answer_id(flow_run, run, said)}
    await asyncio.to_thread(partial(approve.hear, held.ledger, run.plan_hash, said.decision.value, **word))


def form_of(run: RunRow, card: str) -> type[Approval]:
    """Return the form for one plan: it takes no other plan's hash, and shows the plan's card.

    The hash stands there in groups, as it is typed: in one piece it is wider than the dialog.
    """
    shown = run.plan_hash[:HASH_SHOWN]
    asked_for = Approval.model_fields["plan_hash"]
    exact = Field(title=asked_for.title, description=asked_for.description, pattern=f"^{shown}$")
    form = create_model("Approval", __base__=Approval, plan_hash=(str, exact))
    groups = [run.plan_hash[place : place + HASH_SHOWN] for place in range(0, len(run.plan_hash), HASH_SHOWN)]
    return form.with_initial_data(description=card.replace(run.plan_hash, " ".join(groups)))
