"""Settle calls in doubt, by a person's word: ask again, or write off.

A flow of its own, and no paused form: a doubt outlives its night, may wait for the bill for days, and is settled with
many others. The desk of doubts, a card on every run, lists what waits; `redrive` then asks again what was freed.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import StateType
from pydantic import Field

from flows.close import close_again
from flows.forms import Form, Name, ProfileName, Reason, RunId, words
from flows.naming import run_name
from flows.states import Ended, final
from flows.telling import card
from tasks.ledger import LedgerError
from tasks.ledger.decided import Decision
from tasks.ledger.doubts import Chosen, decide_all, runs_touched
from tasks.report import doubts_markdown
from tasks.runtime import Runtime, runtime
from tasks.text import Text

Kind = Literal["resend", "write-off"]
CallId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Settle(Form):
    """Which waiting calls, what is decided, who decides it, and why."""

    profile: ProfileName
    decision: Literal["resend", "write-off"] = Field(
        title=words("form.settling"), description=words("form.settling_is")
    )
    call_ids: list[CallId] = Field(
        default=[], max_length=1_000, title=words("form.calls"), description=words("form.calls_is")
    )
    run_id: RunId | None = Field(default=None, title=words("form.run"), description=words("form.run_of_doubts"))
    reason: Reason
    name: Name


@flow(name="settle", flow_run_name=run_name, persist_result=False)
async def settle(order: Settle) -> Ended:
    """Decide about calls in doubt; written off ones get their run's next revision at once.

    Args:
        order: 哪些调用、如何决定、由谁、为何 · which calls, what becomes of them, who says so, and why
    """
    held = runtime(order.profile)
    settled = await asyncio.to_thread(decided, held, order)
    touched = await asyncio.to_thread(held.ledger.read, partial(runs_touched, call_ids=settled))
    wanted = touched if order.decision == "write-off" else []
    revised = [run_id for run_id in wanted if await close_again(order.profile, run_id)]
    text, name = Text(held.profile.language), held.profile.name
    await card("in-doubt", name, doubts_markdown(await asyncio.to_thread(held.ledger.doubts), name, text), name)
    data = {"decision": order.decision, "call_ids": settled, "revised": revised}
    message = "\n".join(text.lines("desk.settled", count=len(settled), left=len(held.ledger.doubts())))
    return final(StateType.COMPLETED, "Settled", message, data)


def decided(held: Runtime, order: Settle) -> list[str]:
    """Write the decision down for each chosen call, and return their ids.

    Raises:
        LedgerError: neither calls nor a run is named, or both; or something named does not wait.
    """
    if bool(order.call_ids) == bool(order.run_id):
        raise LedgerError("name calls by their ids, or one run for all that wait in it")
    chosen = Chosen(tuple(order.call_ids), order.run_id or "")
    decision = Decision(order.decision, "", order.name, order.reason, held.ledger.clock_us())
    return [row.call_id for row in held.ledger.write(partial(decide_all, chosen=chosen, order=decision))]
