"""Void a run: wrong pictures, wrong population; its verdicts go out of force, and the money stays spent.

Never relied on again, asked again the next night, marked in the next revision of this run and of those that had relied
on it. One input file alone is made void on the terminal (`void RUN --file F`): a file's name is nothing for Prefect's
database, where it might tell whose it is.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import StateType

from flows.close import close_again
from flows.forms import Form, Name, ProfileName, Reason, RunId
from flows.naming import run_name
from flows.states import Ended, final
from flows.voids import void_now
from tasks.runtime import runtime
from tasks.text import Text


class Void(Form):
    """Which run, who says so, and why."""

    profile: ProfileName
    run_id: RunId
    reason: Reason
    name: Name


@flow(name="void", flow_run_name=run_name, persist_result=False)
async def void(order: Void) -> Ended:
    """Take a run's verdicts out of force, and write the next revision of every run that rests on them.

    Args:
        order: 哪个批次、由谁作废、为何 · which run, who says so, and why
    """
    held = runtime(order.profile)
    done = await asyncio.to_thread(void_now, held, order.run_id, "", who=order.name, why=order.reason)
    revised = [run_id for run_id in (order.run_id, *done.relying) if await close_again(order.profile, run_id)]
    data: dict[str, Any] = {"void": done.target, "calls": done.calls, "relying": list(done.relying), "revised": revised}
    message = "\n".join(Text(held.profile.language).lines("desk.voided", calls=done.calls, count=len(revised)))
    return final(StateType.COMPLETED, "Voided", message, data)
