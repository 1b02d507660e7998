"""Halt: two seconds after it was ordered no call leaves, by any process and after any restart, until it is released."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.closing import close_now
from tasks.ledger import halts
from tasks.ledger.decided import ALL, Decision, listed
from tests.conftest import KEY
from tests.nights import Nights
from tests.people import invented

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., Nights]


def prepared(night: Nights) -> None:
    at = night.twin.at
    words = {
        "ACCESS_KEY": at.access_key.reveal(),
        "SECRET_KEY": at.secret_key.reveal(),
        "PSEUDONYM_KEYS": f"test:{KEY}",
    }
    secrets = {f"IVS_BACKFILL_{name}": value for name, value in words.items()}
    (night.folder / "secrets.json").write_text(json.dumps(secrets), encoding="utf-8")
    (night.folder / "profile.json").write_text(night.profile.model_dump_json(), encoding="utf-8")


def start(night: Nights, run: Any) -> subprocess.Popen[bytes]:
    with (night.folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.flows.verifier", str(night.folder), run.run_id],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(night.folder), "LANG": "C.UTF-8"},
            stderr=log,
        )


def ended(night: Nights, *children: subprocess.Popen[bytes]) -> None:
    for child in children:
        assert child.wait(60) == 0, (night.folder / "log").read_text(encoding="utf-8")


def until(happens: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < ends
        time.sleep(0.02)


def ready(night: Nights, runs: list[Any]) -> None:
    until(lambda: all((night.folder / f"ready-{run.run_id}").exists() for run in runs))
    (night.folder / "go").touch()


def under_way(night: Nights, runs: list[Any], calls: int) -> None:
    until(lambda: all(sum(row.n for row in night.runtime.ledger.counts(run.run_id)) >= calls for run in runs))


def ordered(night: Nights, kind: str) -> None:
    order = Decision(kind, ALL, "Li", "wrong pictures", night.runtime.ledger.clock_us())
    do = halts.halt if kind == "halt" else halts.release
    night.runtime.ledger.write(lambda connection: do(connection, order))


def test_no_process_sends_a_call_later_than_two_seconds_after_halt(nights: Make, figure: Callable[[str], None]) -> None:
    rates = {"two_factor": 100, "three_factor": 100}
    night = nights(limits={"rate_per_s": rates, "headroom_pct": 0, "canary": {"records": 0}, "in_flight": 32})
    prepared(night)
    runs = []
    for seed in (1, 2):
        for path in (night.folder / "records").iterdir():
            path.unlink()
        night.people(invented(300, seed), f"{seed}.csv")
        runs.append(night.plan(replan=seed > 1))
    children = [start(night, run) for run in runs]
    ready(night, runs)
    under_way(night, runs, 20)
    ordered(night, "halt")
    halted = time.time_ns() // 1_000
    ended(night, *children)
    journal = night.twin.journal()
    assert len({row["uuid"] for row in journal}) == len(journal) < 540, "neither came to its end"
    later = [(row["received_at"] - halted) / 1_000_000 for row in journal if row["received_at"] > halted]
    last = max(later, default=0)
    figure(f"halt: {len(journal)} calls of two processes, {len(later)} after halt, the last {last:.3f} s after")
    assert max(later, default=0) <= 2
    ended(night, *(start(night, run) for run in runs))
    assert len(night.twin.journal()) == len(journal), "a restart changes nothing"
    for run in runs:
        folder = night.folder / f"closed-{run.run_id}"
        folder.mkdir()
        first = close_now(night.runtime, run.run_id, folder).summary
        assert first["state"] == "stopped_halted"
        assert first["records"]["outcomes"].keys() == {"verified", "not_attempted"}, "calls in flight were awaited"
        assert first["reasons"] == {"halted": first["records"]["outcomes"]["not_attempted"]}
    ordered(night, "release")
    ended(night, *(start(night, run) for run in runs))
    assert len(night.twin.journal()) == 600
    assert [row.kind for row in night.runtime.ledger.read(listed)] == ["release", "halt"]
    assert night.judge().clean
