"""How far a run is: a bar in the terminal, a progress artifact and a few lines of log in the UI; counts and money."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
import time
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from flows.telling import key_of, shout, told
from tasks.ledger import RunRow
from tasks.ledger.budget import run_scope
from tasks.ledger.runs import plan_of
from tasks.report import money
from tasks.runtime import Runtime
from tasks.text import Text
from tasks.verify import Progress
from tasks.verify.night import Night
from tasks.verify.turns import FIRST_S, Turns

ARTIFACT_EVERY_S: Final = 5.0
"""And so long at most: what is shown next is newer, and a night that is told to stop has its results to write."""
THROTTLED_EVERY_S: Final = 60.0
THROTTLED: Final = "ivs-backfill.throttled"
"""The event that a minute with refusals of the quota sends; automations count them."""


class Board:
    """Shows the progress of one run.

    Args:
        held: the profile's runtime.
        run: the run.
    """

    def __init__(self, held: Runtime, run: RunRow) -> None:
        self._held, self._run, self._plan = held, run, plan_of(run)
        self._text = Text(held.profile.language)
        total = sum(self._plan["operations"].values())
        self._bar = _bar()
        self._place = self._bar.add_task(run.run_id, total=max(total, 1), note="")
        self._log = get_run_logger()
        self._night: Night | None = None
        self._artifact: UUID | None = None
        self._told = 0.0
        self._turns = Turns(time.monotonic())
        self._said: set[str] = set()
        self._refused = self._refused_said = 0
        self._throttled_at = -THROTTLED_EVERY_S
        self._throttled = Turns(time.monotonic() - FIRST_S)

    def __enter__(self) -> Self:
        self._bar.start()
        self._chunks = logging.getLogger("prefect.task_runs")
        self._level = self._chunks.level
        self._chunks.setLevel(logging.WARNING)  # a line for each of ten thousand chunks is none that anybody reads
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._chunks.setLevel(self._level)
        self._bar.stop()

    def watch(self, night: Night) -> None:
        """Say that a night begins, and look at it from now on."""
        self._night = night
        self._say("live.begins", records=f"{night.progress.total:,}", chunks=f"{len(night.chunks):,}")

    async def show(self, progress: Progress) -> None:
        """Show how far it is now."""
        progress.tick()
        now = time.monotonic()
        note = f"{progress.sent:,} calls · {progress.calls_per_s:.1f}/s"
        self._bar.update(self._place, completed=progress.records_done, note=note)
        self._tell_events(now)
        if progress.ended or now - self._told >= ARTIFACT_EVERY_S:
            self._told = now
            await self._tell(progress, now)

    def _tell_events(self, now: float) -> None:
        if self._night is None:
            return
        gate = self._night.gate
        if gate.stopped:
            self._once("live.stops", reason=self._text.known("reason", gate.stopped))
        elif gate.paused:
            self._once("live.paused")
        else:
            self._said.discard("live.paused")
        refused = sum(pacer.refused for pacer in set(self._night.pacers.values()))
        if refused > self._refused and now - self._throttled_at >= THROTTLED_EVERY_S:
            shout(THROTTLED, {"refused": refused - self._refused, "run_id": self._run.run_id})
            self._refused, self._throttled_at = refused, now
            if self._throttled.due(now):
                self._say("live.throttled", count=f"{refused - self._refused_said:,}")
                self._refused_said = refused

    async def _tell(self, progress: Progress, now: float) -> None:
        figures = await asyncio.to_thread(self._figures, progress)
        key = "live.done" if progress.ended else "live.line"
        if progress.ended or self._turns.due(now):
            self._say(key, **figures)
        line = self._text(key, **figures)
        if self._artifact is None:
            shown = key_of("progress", self._held.profile.name)
            making = acreate_progress_artifact(progress=progress.percent, key=shown, description=line)
            self._artifact = await told(making, ARTIFACT_EVERY_S, quiet=True)
        else:
            updating = aupdate_progress_artifact(self._artifact, progress=progress.percent, description=line)
            await told(updating, ARTIFACT_EVERY_S, quiet=True)

    def _figures(self, progress: Progress) -> dict[str, Any]:
        booked = self._held.ledger.booked(run_scope(self._run.run_id))
        spent = int(booked.certain_micros + booked.possible_micros) if booked else 0
        return {
            "done": f"{progress.records_done:,}",
            "total": f"{progress.total:,}",
            "calls": f"{progress.sent:,}",
            "rate": f"{progress.per_s if progress.ended else progress.calls_per_s:.1f}",
            "quota": f"{self._quota():g}",
            "spent": money(spent),
            "cap": money(int(booked.cap_micros)) if booked else "0",
            "end": self._end(progress),
        }

    def _quota(self) -> float:
        pacers = set(self._night.pacers.values()) if self._night else set()
        return sum(pacer.lane.per_s for pacer in pacers if pacer.granted)

    def _end(self, progress: Progress) -> str:
        if progress.left_s is None:
            return "—"
        ends = dt.datetime.now(self._held.profile.zone) + dt.timedelta(seconds=progress.left_s)
        return f"{ends:%m-%d %H:%M}"

    def _once(self, key: str, **values: str) -> None:
        if key not in self._said:
            self._said.add(key)
            self._say(key, **values)

    def _say(self, key: str, **values: str) -> None:
        self._log.info("%s", " | ".join(self._text.lines(key, **values)))


def _bar() -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
