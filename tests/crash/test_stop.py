"""Told to stop, a night awaits what is in flight, for so long; a second signal ends it at once; a window ends cleanly."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from tests.conftest import Twin
from tests.crash import driver
from tests.judge import Judgement, judge, rows_of

RECORDS = 200


def prepared(twin: Twin, folder: Path, *, slow_s: float, at_once: int = 0, **limits: Any) -> None:
    """Make a night whose answers take so long, but for the first few."""
    driver.prepare(folder, twin.at, RECORDS, 100)
    later = {"nth": list(range(at_once + 1, 10 * RECORDS))}
    twin.faults({"fault": "latency", "match": later, "args": {"low_s": slow_s, "high_s": slow_s}})
    profile = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    profile["limits"] |= {"canary": {"records": 0}} | limits
    (folder / "profile.json").write_text(json.dumps(profile), encoding="utf-8")


def until(child: subprocess.Popen[bytes], what: Callable[[], bool]) -> None:
    """Wait until something is true of a night that runs."""
    ends = time.monotonic() + 60
    while not what():
        assert child.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.02)


def in_flight(twin: Twin, child: subprocess.Popen[bytes], requests: int) -> None:
    until(child, lambda: len(twin.journal()) >= requests)


def held_back(folder: Path, child: subprocess.Popen[bytes], calls: int) -> None:
    """Wait until so many calls have been without an answer for half a second."""
    until(child, lambda: driver.held_back(folder) >= calls)


def ended(folder: Path, child: subprocess.Popen[bytes]) -> dict[str, Any]:
    child.wait(90)
    assert child.returncode == 0, (folder / "worker.log").read_text(encoding="utf-8")[-2_000:]
    return dict(json.loads((folder / "done").read_text(encoding="utf-8")))


def judged(twin: Twin, folder: Path, said: dict[str, Any]) -> Judgement:
    table = pq.read_table(folder / "out" / "results.parquet")
    return judge(
        ledger=folder / "home" / "ledger.sqlite",
        journal=twin.at.journal,
        results={said["run_id"]: table},
        planned={said["run_id"]: driver.refs(RECORDS)},
    )


def reasons(folder: Path) -> set[tuple[str, str]]:
    table = pq.read_table(folder / "out" / "results.parquet")
    return set(zip(table.column("outcome").to_pylist(), table.column("reason").to_pylist(), strict=True))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_answers_in_flight_are_awaited_and_the_rest_is_not_attempted(
    twin: Twin, tmp_path: Path, number: signal.Signals
) -> None:
    prepared(twin, tmp_path, slow_s=1.0)
    child = driver.start(tmp_path)
    in_flight(twin, child, 10)
    child.send_signal(number)
    said = ended(tmp_path, child)
    assert (said["stop"], said.get("in_doubt", 0)) == ("cancelled", 0)
    assert reasons(tmp_path) == {("verified", ""), ("not_attempted", "cancelled")}
    assert len(twin.journal()) == said["verified"] < RECORDS
    found = judged(twin, tmp_path, said)
    assert found.clean, str(found)


def test_answers_that_take_too_long_are_given_up_and_in_doubt(twin: Twin, tmp_path: Path) -> None:
    prepared(twin, tmp_path, slow_s=40, at_once=2, drain_s=1)
    child = driver.start(tmp_path)
    in_flight(twin, child, 2)
    held_back(tmp_path, child, 5)
    child.send_signal(signal.SIGTERM)
    began = time.monotonic()
    said = ended(tmp_path, child)
    assert time.monotonic() - began < 35, "the answers would have come after 40 s"
    assert said["stop"] == "cancelled"
    assert 5 <= said.get("in_doubt", 0) <= driver.IN_FLIGHT
    assert {row for row in reasons(tmp_path) if row[0] == "not_attempted"} == {("not_attempted", "cancelled")}
    found = judged(twin, tmp_path, said)
    assert found.clean, str(found)
    assert found.counts["in doubt"] == said["in_doubt"], "written by the process itself"


def test_a_second_signal_ends_it_at_once_and_the_next_start_goes_on(twin: Twin, tmp_path: Path) -> None:
    prepared(twin, tmp_path, slow_s=30, at_once=2, drain_s=60)
    child = driver.start(tmp_path)
    in_flight(twin, child, 2)
    held_back(tmp_path, child, 5)
    child.send_signal(signal.SIGTERM)
    until(child, lambda: rows_of(tmp_path / "home" / "ledger.sqlite", "runs")[0]["stop"] == "cancelled")
    assert child.poll() is None, "it waits for answers"
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM
    twin.faults()
    said = ended(tmp_path, driver.start(tmp_path))
    assert said["stop"] == ""
    assert said["verified"] + said["in_doubt"] == RECORDS
    assert 5 <= said["in_doubt"] <= driver.IN_FLIGHT
    found = judged(twin, tmp_path, said)
    assert found.clean, str(found)


def test_a_window_that_closes_during_a_run_ends_it_cleanly(twin: Twin, tmp_path: Path) -> None:
    now = dt.datetime.now(ZoneInfo("Asia/Shanghai"))
    closes = (now + dt.timedelta(seconds=25)).time().isoformat()
    opens = (now - dt.timedelta(hours=3)).time().isoformat()
    prepared(twin, tmp_path, slow_s=0.5, rate_per_s={"two_factor": 4}, window={"opens": opens, "closes": closes})
    said = ended(tmp_path, driver.start(tmp_path))
    assert (said["stop"], said.get("in_doubt", 0)) == ("window", 0)
    assert reasons(tmp_path) == {("verified", ""), ("not_attempted", "window")}
    found = judged(twin, tmp_path, said)
    assert found.clean, str(found)
