"""The whole flow killed and pressed again from the terminal; and a night that died is closed by the next one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.conftest import Twin
from tests.crash import driver
from tests.judge import judge

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 400


def press(folder: Path, date: str) -> subprocess.Popen[bytes]:
    secrets = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **secrets}
    words = ["run", str(folder / "crash.toml"), "--date", date, "--json"]
    with (folder / "out.json").open("wb") as out, (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *words],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=log,
            start_new_session=True,
        )


def ended(child: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    """Wait for a start to end, and return the object it printed."""
    child.wait(180)
    said = (folder / "out.json").read_text(encoding="utf-8")
    assert said, (folder / "log").read_text(encoding="utf-8")
    return dict(json.loads(said))


def as_toml(value: Any, name: str = "") -> str:
    """Write a profile as TOML: tables after plain values."""
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(one)}" for key, one in value.items() if not isinstance(one, dict)]
    for key, one in value.items():
        if isinstance(one, dict):
            lines.append(as_toml(one, f"{name}.{key}" if name else key))
    return "\n".join(lines)


def prepared(twin: Twin, folder: Path) -> None:
    driver.prepare(folder, twin.at, RECORDS, 60)
    profile = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    (folder / "crash.toml").write_text(as_toml(profile), encoding="utf-8")


def killed_after(child: subprocess.Popen[bytes], twin: Twin, requests: int) -> None:
    ends = time.monotonic() + 90
    while len(twin.journal()) < requests and time.monotonic() < ends:
        assert child.poll() is None
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)  # with the embedded server, which would outlive it
    child.wait()


def test_a_killed_flow_is_pressed_again_and_a_dead_night_is_closed_by_the_next(
    twin: Twin, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    prepared(twin, tmp_path)
    for requests in (1, 60, 150):
        killed_after(press(tmp_path, "2026-11-23"), twin, requests)
    night = ended(press(tmp_path, "2026-11-24"), tmp_path)
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert night["state"] == "completed_with_exceptions", log
    assert "Traceback" not in log
    tables = {
        path.parent.parent.name: pq.read_table(path) for path in sorted((tmp_path / "results").rglob("results.parquet"))
    }
    assert len(tables) == 2, "the night that died has its results too"
    dead = next(table for run_id, table in tables.items() if run_id != night["run_id"])
    assert set(dead.column("outcome").to_pylist()) == {"verified", "in_doubt", "not_attempted"}
    found = judge(
        ledger=tmp_path / "home" / "ledger.sqlite",
        journal=twin.at.journal,
        results=tables,
        planned=dict.fromkeys(tables, driver.refs(RECORDS)),
    )
    figure(f"R1 a whole flow killed three times: {found}")
    assert found.clean, str(found)
    assert found.counts["in doubt"] <= 3 * driver.IN_FLIGHT


def test_a_terminated_flow_ends_cleanly_with_results_and_report(twin: Twin, tmp_path: Path) -> None:
    prepared(twin, tmp_path)
    child = press(tmp_path, "2026-11-24")
    ends = time.monotonic() + 90
    while len(twin.journal()) < 40 and time.monotonic() < ends:
        time.sleep(0.02)
    child.send_signal(signal.SIGTERM)
    night = ended(child, tmp_path)
    assert (child.returncode, night["state"]) == (4, "stopped_cancelled")
    assert night["records"]["outcomes"].keys() == {"verified", "not_attempted"}, "calls in flight were awaited"
    assert night["calls"]["in_doubt"] == 0
    assert Path(night["report"]).exists()
