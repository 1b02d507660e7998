"""What Prefect is told on the way: cards, progress, links. It may be away; a night neither stops nor slows for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import httpx
from anyio import CancelScope
from prefect import get_client, get_run_logger
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.exceptions import PrefectException

from flows.forms import words

T = TypeVar("T")
MOST_S: Final = 20.0
"""Prefect's client waits 2, 4 and 8 s after the answers of a busy server (503)."""
BACK_MOST_S: Final = 900.0
AWAY: Final = (httpx.HTTPError, httpx.InvalidURL, PrefectException, OSError, RuntimeError, ValueError)


async def told(telling: Awaitable[T], most_s: float = MOST_S, *, quiet: bool = False) -> T | None:
    """Tell Prefect something, for twenty seconds at most; None where it did not hear."""
    try:
        return await asyncio.wait_for(telling, most_s)
    except (TimeoutError, *AWAY) as error:
        if not quiet:
            get_run_logger().warning("Prefect did not hear this: %s", type(error).__name__)
        return None


async def card(name: str, profile: str, markdown: str, about: str) -> None:
    """Show a page on the run, and as the newest version under the profile's own key."""
    said = _said(name, about)
    await told(acreate_markdown_artifact(key=key_of(name, profile), markdown=markdown, description=said))


async def link(name: str, profile: str, address: str, about: str) -> None:
    """Show a link on the run."""
    key, said = key_of(name, profile), _said(name, about)
    await told(acreate_link_artifact(key=key, link=address, link_text=address, description=said))


def _said(name: str, about: str) -> str:
    """Return what stands below an artifact's key, which can't be Chinese."""
    return f"{words(f'card.{name}')} · {about}"


async def label(**labels: str) -> None:
    """Write on this flow run what it serves, for automations and later starts to read."""
    run = FlowRunContext.get()
    if run is not None and run.flow_run is not None:
        flow_run_id = run.flow_run.id

        async def write() -> None:
            async with get_client() as client:
                await client.update_flow_run_labels(flow_run_id, {f"ivs.{name}": text for name, text in labels.items()})

        await told(write())


def shout(event: str, payload: dict[str, Any]) -> None:
    """Send an event about this flow run, for automations to hear; counts and ids only."""
    run = FlowRunContext.get()
    if run is None or run.flow_run is None:
        return
    resource = {
        "prefect.resource.id": f"prefect.flow-run.{run.flow_run.id}",
        "prefect.resource.name": run.flow_run.name,
    }
    emit_event(event, resource, payload=payload)


def to_its_end() -> CancelScope:
    """Let nothing but a signal cut short what happens within.

    Prefect cancels a flow whose concurrency lease it could not renew, for instance while its server is away; all calls
    under way would be in doubt for it. It is the ledger's own lock that keeps a run to one process.
    """
    return CancelScope(shield=True)


def key_of(name: str, profile: str) -> str:
    """Return an artifact's key: stable for a profile, and of the letters that Prefect takes."""
    return f"{name}-{profile}".lower().replace("_", "-")


async def until_heard(most_s: float = BACK_MOST_S, every_s: float = 5.0) -> None:
    """Wait until Prefect's server answers, so that a run's end is not lost to an outage; not for ever."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + most_s
    while not await _answers() and loop.time() < ends:  # noqa: ASYNC110  # a server that comes back tells nobody
        await asyncio.sleep(every_s)


async def _answers() -> bool:
    async with get_client() as client:
        try:
            return await asyncio.wait_for(client.api_healthcheck(), MOST_S) is None
        except TimeoutError:
            return False
