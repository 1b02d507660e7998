"""By day, what runs at night: approve a forecast's plan by its hash, or sign an envelope for plans not made yet.

The paused form of a night that waits is in `approval`. Prefect knows no users: the name is recorded as it was typed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import StateType
from pydantic import Field

from flows.approval import Approval, Verdict, say
from flows.forms import BusinessDate, Form, Name, ProfileName, Reason, words
from flows.naming import run_name
from flows.states import Ended, final
from flows.telling import card
from tasks.approve import HASH_SHOWN, end_of, envelope
from tasks.ledger import LedgerError, RunRow
from tasks.ledger.envelopes import Terms
from tasks.ledger.runs import plan_of
from tasks.records.money import from_micros, to_micros
from tasks.report import plan_markdown
from tasks.runtime import Runtime, runtime
from tasks.text import Text

PlanHash = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{8}([0-9a-f]{56})?$",
        title=words("form.plan_hash"),
        description=words("form.plan_hash_is"),
        examples=["4dc5a1f0"],
    ),
]
Yuan = Annotated[
    str,
    Field(
        pattern=r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,2})?$",
        title=words("form.most_money"),
        description=words("form.most_money_is"),
        examples=["1200.00"],
    ),
]


class Approving(Form):
    """Which plan, what is decided, who says so, and why."""

    profile: ProfileName
    plan_hash: PlanHash
    decision: Verdict = Field(title=words("form.verdict"), description=words("form.verdict_is"))
    reason: Reason
    name: Name


class Envelope(Form):
    """What is approved of a night before its plan is made, who says so, and why."""

    profile: ProfileName
    business_date: BusinessDate = Field(
        title=words("form.business_date"), description=words("form.night_of"), examples=["2026-01-31"]
    )
    most_records: int = Field(
        ge=1,
        le=100_000_000,
        title=words("form.most_records"),
        description=words("form.most_records_is"),
        examples=[50_000],
    )
    most_money: Yuan
    until: BusinessDate | None = Field(
        default=None, title=words("form.until"), description=words("form.until_is"), examples=["2026-02-01"]
    )
    reason: Reason
    name: Name


@flow(name="approve", flow_run_name=run_name, persist_result=False)
async def approve(order: Approving) -> Ended:
    """Approve or reject a plan before its night; no call, no cost.

    Args:
        order: 哪份方案、批准或拒绝、由谁、为何 · which plan, what is decided, who says so, and why
    """
    held = runtime(order.profile)
    said = Approval(decision=order.decision, plan_hash=order.plan_hash, name=order.name, reason=order.reason)
    run, goes_on = await say(held, order.plan_hash, said)
    text = Text(held.profile.language)
    await card("plan", held.profile.name, plan_markdown(run, plan_of(run), text), run.run_id)
    data = {"decision": order.decision.value, "run_id": run.run_id, "plan_hash": run.plan_hash}
    message = "\n".join(said_lines(order.decision, run, text, goes_on=goes_on))
    return final(StateType.COMPLETED, "Approved" if order.decision is Verdict.APPROVE else "Rejected", message, data)


def said_lines(decision: Verdict, run: RunRow, text: Text, *, goes_on: bool) -> list[str]:
    """Return what people read of a word about a plan."""
    then = ["desk.form_answered"] if goes_on else ["desk.next_start"] if decision is Verdict.APPROVE else []
    said = {"hash": run.plan_hash[:HASH_SHOWN], "run": run.run_id}
    return [line for key in (f"desk.plan_{decision.value}", *then) for line in text.lines(key, **said)]


@flow(name="envelope", flow_run_name=run_name, persist_result=False)
async def sign(order: Envelope) -> Ended:
    """Approve a night's plans before they are made, up to so many records and so much money.

    Args:
        order: 哪一夜、最多条数与金额、由谁、为何 · which night, how much at most, who says so, and why
    """
    held = runtime(order.profile)
    terms = await asyncio.to_thread(signed, held, order)
    return final(StateType.COMPLETED, "Signed", signed_lines(terms, Text(held.profile.language)), terms)


def signed(held: Runtime, order: Envelope) -> dict[str, Any]:
    """Keep an envelope, and return its terms.

    Raises:
        LedgerError: it has expired, or ends before its night.
    """
    last = order.until or order.business_date + dt.timedelta(days=1)
    if last < order.business_date:
        raise LedgerError("this envelope ends before its night begins: name a later date")
    ends = end_of(last, held.profile.zone)
    most = to_micros(Decimal(order.most_money))
    terms = Terms(held.profile.name, order.business_date, order.most_records, most, ends)
    envelope(held.ledger, terms, who=order.name, why=order.reason)
    told = {"profile": terms.profile, "business_date": f"{terms.business_date}", "until": f"{last}"}
    return told | {"most_records": terms.most_records, "most_money": str(from_micros(most))}


def signed_lines(terms: dict[str, Any], text: Text) -> str:
    """Return what people read of an envelope."""
    return "\n".join(text.lines("desk.signed", **terms | {"most_records": f"{terms['most_records']:,}"}))
