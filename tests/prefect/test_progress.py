"""What a night says of itself: as much as a person can read, however long it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from flows import progress
from flows.progress import THROTTLED, Board
from tasks.verify import Progress
from tests.flows.test_night import Make
from tests.people import invented

RECORDS, PER_S = 1_000_000, 10


@dataclass(eq=False)
class Pacing:
    """As much of a pacer as is shown."""

    lane: SimpleNamespace
    refused: int = 0
    granted: int = 1


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    kept, log = Lines(), logging.getLogger("tests.night")
    log.setLevel(logging.INFO)
    monkeypatch.setattr(log, "handlers", [kept])
    monkeypatch.setattr(progress, "get_run_logger", lambda: log)
    return kept


async def test_a_million_records_throttled_all_the_way_are_a_log_one_can_read(
    nights: Make, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, events = [0.0], list[str]()
    night = nights()
    night.people(invented(3))
    run = night.plan()

    async def heard(telling: Any, *_: Any, **__: Any) -> None:
        telling.close()

    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(progress, "shout", lambda event, _payload: events.append(event))
    monkeypatch.setattr(progress, "told", heard)
    pacer = Pacing(SimpleNamespace(per_s=PER_S))
    gate = SimpleNamespace(stopped="", paused=False)
    with Board(night.runtime, run) as board:
        shown = Progress(total=RECORDS, began=0.0)
        board.watch(SimpleNamespace(progress=shown, chunks=range(10_000), gate=gate, pacers={"two_factor": pacer}))  # type: ignore[arg-type]
        while now[0] < RECORDS / PER_S:
            now[0] += 60
            pacer.refused += 5
            shown.outcomes["verified"] += 60 * PER_S
            await board.show(shown)
        shown.ended = True
        await board.show(shown)
    assert len(events) > RECORDS / PER_S / 60 - 2, "each such minute is an event"
    assert set(events) == {THROTTLED}
    throttled = [line for line in lines.said if "throttled" in line]
    assert throttled
    assert len(lines.said) < 400, len(lines.said)
    assert "1,000,000 records" in lines.said[0]
    assert "verifying has ended" in lines.said[-1]
