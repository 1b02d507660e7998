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
from prefect.context import FlowRunContext
from prefect.input import RunInput
from prefect.input.actions import aread_flow_run_input
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


async def answer_form(held: Runtime, run: RunRow, kind: str, *, who: str, why: str) -> None:
    """Answer the form that a run waits with, where one does, with the word that was said elsewhere: the run goes on.

    Prefect may be away; the form, or the next start, does as well then.
    """
    word = {"decision": kind, "plan_hash": run.plan_hash[:HASH_SHOWN], "name": who, "reason": why or kind}
    waiting = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Suspended"])))

    async def answer() -> None:
        async with get_client() as client:
            for flow_run in await client.read_flow_runs(flow_run_filter=waiting):
                labels = flow_run.labels
                if (labels.get("ivs.ledger"), labels.get("ivs.run")) == (held.ledger.ledger_id, run.run_id):
                    await client.resume_flow_run(flow_run.id, run_input=word)

    await told(answer(), quiet=True)


def _of_a_deployment() -> FlowRun | None:
    """Return this flow run where it is a deployment's; others can't be suspended."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context is not None else None
    return flow_run if flow_run is not None and flow_run.deployment_id is not None else None


def _key(run: RunRow) -> str:
    return f"approve-{run.plan_hash[:16]}"


async def _keep(held: Runtime, run: RunRow, flow_run: UUID, said: Approval) -> None:
    """Keep an answer under a name of its own, so that a later start of the same flow run does not give it again."""
    answer = hashlib.sha256(f"{flow_run}/{run.plan_hash}".encode()).hexdigest()[:32]
    word = {"who": said.name, "why": said.reason, "answer": answer}
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
