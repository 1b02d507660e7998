"""A second start of a run that another living process is at: it waits for that one, and ends as that one ends.

Two people press at once, or Prefect calls a run crashed whose process lives on and an automation starts it again. The
ledger lets one process in only; on Prefect's pages the other has time. On a terminal it is told at once, in one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from prefect import get_run_logger
from prefect.context import FlowRunContext

from tasks.ledger import Ledger, RunBusyError, RunRow
from tasks.text import Text

LOOK_EVERY_S: Final = 2.0
_OPEN: Final = {"planned", "running"}


async def joined(
    ledger: Ledger, run_id: str, work: Callable[[], Awaitable[dict[str, Any]]], text: Text
) -> dict[str, Any]:
    """Do a run's work, or wait while another process does it; return the run's object either way.

    Where that process dies before the run has ended, the work goes on here.

    Raises:
        RunBusyError: another process is at it, and this start has no page to wait on.
    """
    while True:
        try:
            return await work()
        except RunBusyError:
            if not _has_a_page():
                raise
        get_run_logger().warning("%s", " | ".join(text.lines("live.joins")))
        run = await _let_go(ledger, run_id)
        if run.state not in _OPEN:
            return dict(orjson.loads(run.closing))


async def _let_go(ledger: Ledger, run_id: str) -> RunRow:
    """Wait until no other living process owns a run, and return it as it then is."""
    while True:
        run = await asyncio.to_thread(ledger.run, run_id)
        if not run.owner or not await asyncio.to_thread(ledger.owner.is_alive, run.owner):
            return run
        await asyncio.sleep(LOOK_EVERY_S)


def _has_a_page() -> bool:
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None
