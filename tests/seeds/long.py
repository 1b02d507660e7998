"""Many seeds in child processes, judged and counted.

python -m tests.seeds.long [seeds] [first] [workers]
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable

import pandas as pd  # noqa: F401  # once, before the children are forked

from tests.seeds.world import played

BATCH = 25


def batch(seeds: Iterable[int], told: object) -> None:
    """Play seeds in this child process; it leaves without tidying up, so the dead of each seed stay where they lie."""
    gc.disable()
    counts: Counter[str] = Counter()
    broken: list[tuple[int, str]] = []
    for seed in seeds:
        try:
            found, _ = played(seed)
            counts += found
        except BaseException:  # noqa: BLE001
            broken.append((seed, traceback.format_exc()))
    told.put((counts, broken))  # type: ignore[attr-defined]
    told.close()  # type: ignore[attr-defined]
    told.join_thread()  # type: ignore[attr-defined]
    os._exit(0)


def play_all(seeds: range, workers: int = 2, *, noisy: bool = False) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Play seeds in child processes; return all counts, and the seeds that broke a promise with what they said."""
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    parts = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    running = 0
    counts: Counter[str] = Counter()
    broken: list[tuple[int, str]] = []
    while parts or running:
        while parts and running < workers:
            context.Process(target=batch, args=(parts.pop(0), told), daemon=True).start()
            running += 1
        some, bad = told.get(timeout=600)
        counts, broken, running = counts + some, broken + bad, running - 1
        if noisy:
            left = BATCH * (len(parts) + running)
            print(f"{len(seeds) - left} of {len(seeds)} seeds, {len(broken)} broken", file=sys.stderr, flush=True)
    return counts, broken


def main() -> None:
    words = [int(word) for word in sys.argv[1:]]
    seeds, first, workers = [*words, *(20_000, 0, 2)[len(words) :]][:3]
    began = time.perf_counter()
    counts, broken = play_all(range(first, first + seeds), workers, noisy=True)
    for name, count in sorted(counts.items()):
        print(f"{name:32} {count}")
    for seed, what in broken[:10]:
        print(f"seed {seed}:\n{what}")
    print(f"{seeds} seeds in {time.perf_counter() - began:.0f} s, {len(broken)} with a broken promise", flush=True)
    print("broken:", [seed for seed, _ in broken][:50])
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
