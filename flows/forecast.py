"""The forecast: the same steps up to the plan; it says what a night will ask and cost, and spends nothing."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.backfill import plan, stopped_input
from flows.forms import Order
from flows.naming import run_name
from tasks.ledger.runs import plan_of
from tasks.report import plan_markdown
from tasks.runtime import runtime
from tasks.text import Text


@flow(name="forecast", flow_run_name=run_name, persist_result=False)
async def forecast(order: Order) -> dict[str, Any]:
    """Plan a night and price it; the plan is kept, and is the one the night will run.

    Args:
        order: 选择配置与业务日期；不产生费用 · profile and business date; costs nothing
    """
    run = await plan(order)
    if isinstance(run, str):
        return stopped_input(order, run)
    card = plan_markdown(run, plan_of(run), Text(runtime(order.profile).profile.language))
    return {"run_id": run.run_id, "plan_hash": run.plan_hash, "plan": plan_of(run), "card": card, "state": run.state}
