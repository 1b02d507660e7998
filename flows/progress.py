"""How far a run is: a bar in the terminal, and a progress artifact in the UI; counts only."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from tasks.verify import Progress

ARTIFACT_EVERY_S: Final = 3.0


class Board:
    """Shows the progress of one run.

    Args:
        label: what the run is called.
        total: how many records will be asked.
    """

    def __init__(self, label: str, total: int) -> None:
        console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not sys.stderr.isatty(),
        )
        self._place = self._bar.add_task(label, total=max(total, 1), note="")
        self._label = label
        self._artifact: UUID | None = None
        self._told = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    async def show(self, progress: Progress) -> None:
        """Show how far it is now."""
        note = f"{progress.sent} calls · {progress.per_s:.1f}/s"
        self._bar.update(self._place, completed=progress.records_done, note=note)
        if time.monotonic() - self._told >= ARTIFACT_EVERY_S or progress.ended:
            self._told = time.monotonic()
            await self._tell(progress.percent, note)

    async def _tell(self, percent: float, note: str) -> None:
        if self._artifact is None:
            self._artifact = await acreate_progress_artifact(progress=percent, key="progress", description=self._label)
        else:
            await aupdate_progress_artifact(self._artifact, progress=percent, description=f"{self._label} · {note}")
