"""Stop every call of every process, and let them go again: for the night that goes wrong.

Pressed in the UI or on the terminal; it needs the ledger only. Two seconds later no new call leaves, by any process
and after any restart; runs under way drain, write results and report, and end as stopped. After `release` the next
start goes on where they stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow
from sqlalchemy import Connection

from flows.forms import Word
from flows.naming import run_name
from tasks.ledger import halts
from tasks.ledger.decided import ALL, Decision
from tasks.runtime import runtime


@flow(name="halt", flow_run_name=run_name, persist_result=False)
async def halt(word: Word) -> dict[str, Any]:
    """Let no call leave, of any run of this ledger, until `release`.

    Args:
        word: 停止哪个配置的调用，由谁决定、为何 · whose calls stop, who says so, and why
    """
    order = await _ordered(word, "halt", halts.halt)
    return {"halted": True, "decision": order.decision}


@flow(name="release", flow_run_name=run_name, persist_result=False)
async def release(word: Word) -> dict[str, Any]:
    """Let calls leave again; the next start goes on where runs were stopped.

    Args:
        word: 解除哪个配置的停止，由谁决定、为何 · whose calls may go again, who says so, and why
    """
    order = await _ordered(word, "release", halts.release)
    return {"halted": False, "decision": order.decision}


async def _ordered(word: Word, kind: str, do: Callable[[Connection, Decision], None]) -> Decision:
    ledger = runtime(word.profile).ledger
    order = Decision(kind, ALL, word.name, word.reason, ledger.clock_us())
    await ledger.awrite(lambda connection: do(connection, order))
    return order
