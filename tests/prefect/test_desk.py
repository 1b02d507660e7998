"""The desk, as people press it on a real server: each decision shows, is kept, and pays for nothing more."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from tests.conftest import Twin
from tests.prefect.conftest import House
from tests.prefect.server import Server

SIGNED = ("--who", "Li", "--why", "because", "--json")


def test_doubts_are_written_off_redriven_and_made_void_from_the_terminal(
    server: Server, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 60, 400)
    twin.faults({"fault": "reset_after", "match": {"nth": [10, 20, 30]}})
    run = house.pressed("run", house.name, "--date", "2026-11-24", "--json", code=3)
    assert run["records"]["outcomes"] == {"verified": 57, "in_doubt": 3}
    twin.faults()
    calls = [one["call_id"] for one in house.pressed("in-doubt", "list", house.name, "--json")["in_doubt"]]
    assert len(calls) == 3

    done = house.pressed("in-doubt", "write-off", house.name, *calls[:2], *SIGNED)
    assert [(one["run_id"], one["revision"]) for one in done["revised"]] == [(run["run_id"], 2)]

    redriven = house.pressed("redrive", house.name, "--outcomes", "in_doubt", *SIGNED, code=3)
    assert (redriven["revision"], redriven["records"]["outcomes"]) == (3, {"verified": 58, "failed": 2})
    assert redriven["reasons"] == {"written_off": 2}
    again = house.pressed("redrive", house.name, "--outcomes", "in_doubt", *SIGNED, code=3)
    assert (again["revision"], len(twin.journal())) == (3, 61), "pressed twice asks nothing twice"

    void = house.pressed("void", house.name, run["run_id"], *SIGNED)
    assert [one["revision"] for one in void["revised"]] == [4]
    assert house.pressed("void", house.name, run["run_id"], *SIGNED, code=1)["error"].endswith("by Li: because")
    kept = house.pressed("decisions", house.name, "--json")["decisions"]
    assert [one["kind"] for one in reversed(kept)] == ["write-off", "write-off", "redrive", "void"]
    assert {one["who"] for one in kept} == {"Li (unverified)"}
    manifest = json.loads((tmp_path / "results" / run["run_id"] / "r4" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["supersedes"], len(manifest["because"]), len(manifest["decisions"])) == (3, 1, 4)
    story = house.pressed("why", house.name, "people.csv:11", "--json")
    assert story["rows"][0]["run_id"] == run["run_id"]
    assert house.judge().clean


def test_a_dead_run_is_cancelled_and_closed_from_the_terminal(server: Server, twin: Twin, tmp_path: Path) -> None:
    house = House(server, twin, tmp_path, 400, 60)
    child = house.press("run", house.name, "--date", "2026-11-24", "--json", wait=False)
    ends = time.monotonic() + 120
    while len(twin.journal()) < 30 and time.monotonic() < ends:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    (run,) = house.pressed("runs", house.name, "--json")["runs"]
    told = house.pressed("cancel", house.name, run["run_id"], *SIGNED)
    assert (told["under_way"], told["closed"][0]["state"]) == (False, "stopped_cancelled")
    assert told["closed"][0]["revision"] == 1
    closed = house.pressed("close", house.name, run["run_id"], "--json", code=4)
    assert (closed["revision"], closed["records"]["total"]) == (1, 400), "closed twice: the same revision"
    assert house.judge().clean
