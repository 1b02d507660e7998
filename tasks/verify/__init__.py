"""Verify a plan: one Prefect task per chunk, gathered in the flow's own loop so that all share one client and ledger.

Chunk tasks have no retries and keep no results: the ledger is the only memory, and a chunk with nothing open gets no
task run at all.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.ledger import RunRow
from tasks.runtime import runtime
from tasks.staging import Part
from tasks.text import Text
from tasks.verify.night import Night, open_night
from tasks.verify.progress import Progress

__all__ = ["Progress", "verify"]

_NIGHTS: Final[dict[str, Night]] = {}
"""Runs this process is verifying: chunk tasks get only names and ids."""

Watch = Callable[[Progress], Awaitable[None]]


@task(name="verify chunk", task_run_name="{label}", retries=0, persist_result=False, cache_policy=NO_CACHE)
async def verify_chunk(run_id: str, chunk: int, label: str) -> None:  # noqa: ARG001  # the label names the task run
    """Verify what is open in one chunk of a run that this process has taken over."""
    night = _NIGHTS[run_id]
    await night.chunk(next(part for part in night.chunks if part.chunk == chunk))


async def verify(
    profile: str,
    run: RunRow,
    cap_micros: int,
    watch: Watch,
    *,
    ready: Callable[[Night], None],
    on: dt.date | None = None,
    again: bool = False,
    since_us: int | None = None,
) -> Night:
    """Verify a run until nothing is open or it is stopped; return it, with its counts.

    Args:
        profile: the profile's name.
        run: the claimed run.
        cap_micros: what may be spent at most, in millionths; the profile's own caps hold besides.
        watch: called every second or so with the progress.
        ready: called once with the night, before its first call; the place to connect signals to its gate.
        on: the business date whose night the calls belong to; the run's own by default.
        again: ask only what a redrive has chosen.
        since_us: when this start was first made, by the ledger's clock.

    Raises:
        RunBusyError: a living process owns the run.
        StoppedError: a person cancelled the run since then.
    """
    opened = partial(open_night, on=on, again=again, since_us=since_us)
    night = await asyncio.to_thread(opened, runtime(profile), run, cap_micros)
    _NIGHTS[run.run_id] = night
    ready(night)
    watching = asyncio.create_task(_watch(night.progress, watch))
    try:
        await night.verify(lambda part: verify_chunk(run.run_id, part.chunk, label(night, part)))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        night.progress.ended = True
        await watch(night.progress)
        await night.asker.client.aclose()
        _NIGHTS.pop(run.run_id, None)
    return night


def label(night: Night, part: Part) -> str:
    """Return a chunk's name as people read it: which of how many, what is asked, how many records."""
    text = Text(night.runtime.profile.language)
    kind = text("live.canary" if part.canary else "live.chunk")
    records = f"{part.rows:,} {text('report.records_unit')}"
    return f"{kind} {part.chunk + 1}/{len(night.chunks)} · {text(f'operation.{part.operation}')} · {records}"


async def _watch(progress: Progress, watch: Watch) -> None:
    while True:
        await asyncio.sleep(1)
        await watch(progress)
