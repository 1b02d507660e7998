"""Stop every call of every process, and let them go again: for the night that goes wrong.

Pressed in the UI or on the terminal; it needs the ledger only. Two seconds later no new call leaves, by any process
and after any restart; runs under way drain, write results and report, and end as stopped. After `release` the next
start goes on where they stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from tasks.ledger import halts
from tasks.ledger.decided import ALL, Decision
from tasks.runtime import runtime


class Word(BaseModel):
    """Who orders it, and why."""

    profile: str = Field(title="配置 Profile", description="configs/ 下的配置名 · name of a profile in configs/")
    reason: str = Field(min_length=1, title="原因 Reason", description="将记入台账 · as it will stand in the ledger")
    name: str = Field(
        min_length=1, title="姓名 Your name", description="按填写记录，未经核实 · recorded as typed in, unverified"
    )


@flow(name="halt", flow_run_name="halt {word.profile}", persist_result=False)
async def halt(word: Word) -> dict[str, Any]:
    """Let no call leave, of any run of this ledger, until `release`.

    Args:
        word: profile, reason and name.
    """
    order = await _ordered(word, "halt", halts.halt)
    return {"halted": True, "decision": order.decision}


@flow(name="release", flow_run_name="release {word.profile}", persist_result=False)
async def release(word: Word) -> dict[str, Any]:
    """Let calls leave again; the next start goes on where runs were stopped.

    Args:
        word: profile, reason and name.
    """
    order = await _ordered(word, "release", halts.release)
    return {"halted": False, "decision": order.decision}


async def _ordered(word: Word, kind: str, do: Callable[[Connection, Decision], None]) -> Decision:
    ledger = runtime(word.profile).ledger
    order = Decision(kind, ALL, word.name, word.reason, ledger.clock_us())
    await ledger.awrite(lambda connection: do(connection, order))
    return order
