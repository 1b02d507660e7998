"""Preflight: is everything in order for tonight? It looks at account, stores, prices, ledger and Prefect itself.

It spends nothing. With `one_call` it has one record verified after that, as a pilot of one: through the ledger, under
the caps, paid.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow, get_client
from prefect.client.base import ServerType
from prefect.client.schemas.objects import StateType
from prefect.settings import get_current_settings
from pydantic import Field
from rich.console import Console
from rich.table import Table

from flows.backfill import night
from flows.forms import Form, Order, ProfileName, words
from flows.naming import run_name
from flows.states import Ended, final
from flows.telling import card, told
from tasks.preflight import Line, account_lines, house_lines, server_lines, worst
from tasks.runtime import Runtime, runtime
from tasks.text import Text


class Preflight(Form):
    """Which profile, and whether one call may be paid for."""

    profile: ProfileName
    one_call: bool = Field(default=False, title=words("form.one_call"), description=words("form.one_call_is"))


@flow(name="preflight", flow_run_name=run_name, persist_result=False)
async def preflight(order: Preflight) -> Ended:
    """Look at everything a night needs; spend nothing, or one call where that is asked for.

    Args:
        order: 检查哪个配置，是否允许一次付费调用 · which profile, and whether one call may be paid for
    """
    held = runtime(order.profile)
    text = Text(held.profile.language)
    lines = [*await asyncio.to_thread(house_lines, held), *await account_lines(held), *await _prefect()]
    if order.one_call and worst(lines) != "fail":
        lines.append(await _one_call(order.profile, text))
    await card("preflight", held.profile.name, page(lines, held, text), held.profile.name)
    return _ends(lines, text, held)


def page(lines: list[Line], held: Runtime, text: Text) -> str:
    """Return the findings as Markdown, what is in the way first."""
    order = {"fail": 0, "warn": 1, "ok": 2}
    rows = [
        f"- **{text(f'preflight.{line.level}')}** · {text(f'preflight.{line.name}')}: {said(line, text)}"
        for line in sorted(lines, key=lambda line: order[line.level])
    ]
    return "\n".join([f"# {text('preflight.title')} · {held.profile.name}", "", *rows])


def said(line: Line, text: Text) -> str:
    """Return what is said of a finding."""
    return text(f"preflight.{line.note}", **line.values)


def print_findings(told: dict[str, Any]) -> None:
    """Print the findings as a table for the terminal."""
    text = Text("both")
    shown = Table(title=f"{text('preflight.title')} · {told['profile']}", title_justify="left")
    for head in ("level", "what", "finding"):
        shown.add_column(text(f"preflight.{head}"), overflow="fold")
    for line in told["lines"]:
        shown.add_row(text(f"preflight.{line['level']}"), text(f"preflight.{line['check']}"), line["finding"])
    Console().print(shown)


def _ends(lines: list[Line], text: Text, held: Runtime) -> Ended:
    level = worst(lines)
    counts = {name: sum(line.level == name for line in lines) for name in ("ok", "warn", "fail")}
    found = [{"check": line.name, "level": line.level, "finding": said(line, text)} for line in lines]
    data: dict[str, Any] = {"profile": held.profile.name, "level": level, "lines": found}
    kind = StateType.FAILED if level == "fail" else StateType.COMPLETED
    name = {"ok": "AllClear", "warn": "ClearWithWarnings", "fail": "NotClear"}[level]
    return final(kind, name, "\n".join(text.lines("preflight.counts", **counts)), data)


async def _prefect() -> list[Line]:
    heartbeat_s = get_current_settings().flows.heartbeat_frequency
    async with get_client() as client:
        if client.server_type is ServerType.EPHEMERAL:
            return server_lines(None, heartbeat_s=heartbeat_s)
        answer = await told(client._client.get("/admin/settings"))  # noqa: SLF001  # there is no public method
    return server_lines(answer.json() if answer else None, heartbeat_s=heartbeat_s)


async def _one_call(profile: str, text: Text) -> Line:
    """Have one record verified: a plan of one, the next sequence of today."""
    ended = await night(Order(profile=profile, limit=1, replan=True))
    calls = ended.get("run_calls", {"answered": 0})["answered"]
    state = text(f"state.{ended['state']}")
    return Line("one_call", "ok" if calls else "warn", "one_call_is", {"state": state, "count": calls})
