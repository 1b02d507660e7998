"""Plan a population of any size in plain folders, and say how long it took and how much memory it needed.

    python -m tests.scale.plan [RECORDS] [--reconcile] [--json]

With `--reconcile` every planned record gets an answered call, and the run is reconciled too. Reading the CSV is part of
planning, as it is in a night. The peak is the process's own, over everything it did.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tasks.ledger.runs import plan_of
from tasks.reconcile import reconcile
from tests.memory import peak_mb
from tests.scale.night import answer, opened, planned, staging_of

EVERY = 500_000


def main() -> None:
    """Measure, and print."""
    words = argparse.ArgumentParser()
    words.add_argument("records", type=int, nargs="?", default=1_000_000)
    words.add_argument("--reconcile", action="store_true")
    words.add_argument("--json", action="store_true")
    told = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="ivs-scale-") as name:
        found = measure(Path(name), told.records, reconciled=told.reconcile)
    print(json.dumps(found) if told.json else "\n".join(f"{key} {value}" for key, value in found.items()))


def measure(folder: Path, records: int, *, reconciled: bool) -> dict[str, Any]:
    """Plan, and where asked reconcile; return the figures."""
    held = opened(folder, records)
    began, cpu = time.perf_counter(), time.process_time()
    run = planned(held, told=lambda rows: tell(rows, began))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    plan = plan_of(run)
    found: dict[str, Any] = {
        "records": records,
        "plan_s": round(took, 1),
        "plan_us_each": round(1e6 * took / records, 1),
    }
    found |= {"plan_cpu_s": round(cpu, 1), "plan_mb": round(peak_mb()), "dispositions": plan["dispositions"]}
    found |= {"chunks": plan["chunks"], "staged_mb": round(_size(folder / "staging") / 1e6)}
    if reconciled:
        found |= measure_reconcile(held, run, folder / "out")
    held.close()
    return found


def tell(rows: int, began: float) -> None:
    """Say on stderr how far planning is, every half million rows."""
    if rows % EVERY == 0:
        print(f"{rows:,} rows in {time.perf_counter() - began:.0f} s, {peak_mb():.0f} MB", file=sys.stderr, flush=True)


def measure_reconcile(held: Any, run: Any, out: Path) -> dict[str, Any]:
    """Answer everything, reconcile, and return the figures."""
    out.mkdir()
    calls = answer(held, run)
    before = peak_mb()
    began = time.perf_counter()
    found = reconcile(
        run, revision=1, profile=held.profile, ledger=held.ledger, staging=staging_of(held, run), folder=out
    )
    took = time.perf_counter() - began
    records = sum(found.outcomes.values())
    figures = {"calls": calls, "reconcile_s": round(took, 1), "reconcile_us_each": round(1e6 * took / records, 1)}
    return figures | {"before_mb": round(before), "reconcile_mb": round(peak_mb()), "outcomes": dict(found.outcomes)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
