"""A plan above `approve_above` waits for a person: a form in the UI, bound to the plan's hash.

The run is suspended: its process ends, and the form may be answered hours later, or never. Until then the ledger says
`not_approved`, so that whoever closes the run, an automation after the form has expired or the next start, writes
that and nothing else. Once answered the flow starts from the top in a fresh process and finds the same claimed plan.
Prefect knows no users: the name is recorded as it was typed.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Final

from prefect import asuspend_flow_run
from prefect.context import FlowRunContext
from prefect.input import RunInput
from pydantic import Field, create_model

from flows.forms import Name, Reason, words
from tasks.approve import decide, verdict
from tasks.ledger import RunRow
from tasks.ledger.runs import plan_of, stop
from tasks.report import plan_markdown
from tasks.runtime import Runtime
from tasks.text import Text

HASH_SHOWN: Final = 8


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


async def asked(held: Runtime, run: RunRow) -> bool:
    """Ask a person for approval of a run's plan; False where nobody is asked: no deployment, or rejected before.

    Where somebody is, this process ends here, and the call returns in the process that goes on after the answer.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        return False
    if await asyncio.to_thread(verdict, held.ledger, run.plan_hash) == "reject":
        return False
    await held.ledger.awrite(lambda connection: stop(connection, run.run_id, "not_approved"))
    form = form_of(run, plan_markdown(run, plan_of(run), Text(held.profile.language)))
    within_s = int(held.profile.money.approve_within_hours * 3600)
    said = await asuspend_flow_run(wait_for_input=form, timeout=within_s, key=f"approve-{run.plan_hash[:16]}")
    said = form.model_validate(said.model_dump())
    await asyncio.to_thread(decide, held.ledger, run.plan_hash, said.decision.value, who=said.name, why=said.reason)
    return True


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
