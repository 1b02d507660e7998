"""Close a run: reconcile, report, artifacts. Works from plan and ledger alone, as often as it is pressed.

Completed, stopped and cancelled runs are all closed the same way; where a process was killed before it could, the next
start or this flow does it.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, Final

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.closing import Closed, close_now
from flows.forms import ProfileName, RunId, words
from flows.naming import run_name
from flows.states import Ended, ends
from flows.telling import card, link
from tasks.ledger import RunRow
from tasks.report import cost_markdown, doubts_markdown, exceptions_markdown, results_markdown, trend_markdown
from tasks.runtime import Runtime, runtime
from tasks.text import Text

NIGHTS: Final = 30


@flow(name="close", flow_run_name=run_name, persist_result=False)
async def close(profile: ProfileName, run_id: RunId) -> Ended:
    """Write a run's results and report from plan and ledger; make no call.

    Args:
        profile: 配置 · the profile
        run_id: 批次号，见结果与费用报告 · the run, as results and reports name it
    """
    run = await asyncio.to_thread(runtime(profile).ledger.run, run_id)
    return ends(await close_run(profile, run), Text(runtime(profile).profile.language))


async def close_run(profile: str, run: RunRow) -> dict[str, Any]:
    """Close a run and return its object; see `close`."""
    return await _close_task(profile, run.run_id)


async def close_again(profile: str, run_id: str) -> bool:
    """Write a run's next revision after a decision; False for another profile's run, or one that closes itself."""
    held = runtime(profile)
    run = await asyncio.to_thread(held.ledger.run, run_id)
    if run.profile != held.profile.name or (run.owner and held.ledger.owner.is_alive(run.owner)):
        return False
    await close_run(profile, run)
    return True


@task(name="reconcile and report", task_run_name=words("step.close"), persist_result=False, cache_policy=NO_CACHE)
async def _close_task(profile: str, run_id: str) -> dict[str, Any]:
    held = runtime(profile)
    with tempfile.TemporaryDirectory(prefix="ivs-close-") as folder:
        closed = await asyncio.to_thread(close_now, held, run_id, Path(folder))
    await _show(held, closed)
    return closed.summary


async def _show(held: Runtime, closed: Closed) -> None:
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
    if base := held.profile.output.links:
        await link("report", name, f"{base}/{about}/r{closed.summary['revision']}/report.html", about)
    else:
        await card("report", name, f"`{links['report']}`", about)
