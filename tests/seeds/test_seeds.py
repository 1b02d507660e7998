"""The real verify loop by seed, on a clock of its own. The long form: python -m tests.seeds.long 20000."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.seeds.clockwork import ClockworkLoop, WaitsForeverError
from tests.seeds.long import play_all

ROOT = Path(__file__).resolve().parents[2]


def test_three_hundred_seeds_break_no_promise(figure: Callable[[str], None]) -> None:
    counts, broken = play_all(range(300))
    told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    figure(f"R5 300 seeds, {len(broken)} broken: {told}")
    assert not broken, broken[0][1]
    for story in ("killed", "cancelled", "stopped budget", "stopped window", "withdrawn", "possible", "FencedError"):
        assert counts[story], f"no seed tells of {story}"
    assert counts["LedgerUnavailableError"]
    assert counts["billed"] > 1_000


def digests(hash_seed: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.seeds.dumps", "0", "12"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_same_seed_gives_the_same_ledger_byte_by_byte() -> None:
    first, second = digests("1"), digests("2")
    assert len(first.splitlines()) == 12
    assert len(set(first.split()[1::3])) == 12, "seeds differ from each other"
    assert first == second


def test_a_clock_of_its_own_never_waits_for_what_never_comes() -> None:
    loop = ClockworkLoop(Random(1))
    with pytest.raises(WaitsForeverError):
        loop.run_until_complete(loop.create_future())
    loop.close()
