"""Planning and reconciling need no more memory for more records; each figure comes from a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def measured(records: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.scale.plan", str(records), "--reconcile", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_six_times_the_records_are_planned_and_reconciled_in_the_same_memory() -> None:
    few, many = measured(10_000), measured(60_000)
    assert (many["dispositions"], many["outcomes"]) == (
        {"ask": 59_400, "duplicate": 600},
        {"verified": 59_400, "duplicate": 600},
    )
    assert many["plan_mb"] <= 1.2 * few["plan_mb"]
    assert many["reconcile_mb"] <= 1.2 * few["reconcile_mb"]
