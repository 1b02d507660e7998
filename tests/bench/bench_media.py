"""Look at the largest media there may be, and say how long each look takes and how long the event loop was held.

    python -m tests.bench.bench_media [RECORDS]

Each record brings two cards and a face of 4000 x 4000 pixels, near 12 MB in one body. They are fetched and looked at as
in a night, several records at once, while a ticker on the same loop notes its longest delay.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.media import MediaLimits, fitted, header_problem, whole_problem
from tasks.staging import MEDIA_KINDS
from tasks.storage.folder import FolderStore
from tasks.verify.media import fetch
from tests.media.pictures import picture

LIMITS = MediaLimits()
TICK_S = 0.005


def main() -> None:
    """Measure, and print."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    largest = filled(picture(4_000, 4_000, quality=80))
    too_large = picture(6_300, 6_300, quality=90)
    print(
        f"header of {len(largest):,} bytes: {took(lambda: header_problem('face', largest[:65_536], len(largest), LIMITS)):.2f} ms"
    )
    print(f"whole: {took(lambda: whole_problem('face', largest, LIMITS)):.0f} ms")
    print(f"made to fit, {len(too_large):,} bytes of 6300 x 6300: {took(lambda: fitted(too_large, LIMITS), 1):.0f} ms")
    with tempfile.TemporaryDirectory(prefix="ivs-media-") as name:
        store = FolderStore(Path(name), make=True)
        etag = store.put("p.jpg", largest).etag
        _, idle = asyncio.run(fetched(store, etag, 0, idle_s=3))
        seconds, delay = asyncio.run(fetched(store, etag, records))
    print(f"an idle loop on this machine: held {1000 * idle:.1f} ms at most")
    print(
        f"{records} records of three: {1000 * seconds / records:.0f} ms each, event loop held {1000 * delay:.1f} ms at most"
    )


def filled(data: bytes, size: int = 2_990_000) -> bytes:
    """Return a JPG of about `size` bytes: comments before its first segment."""
    block = b"\xff\xfe\xff\xff" + b" " * 65_533
    return data[:2] + block * ((size - len(data)) // len(block)) + data[2:]


def took(look: Callable[[], Any], times: int = 5) -> float:
    """Return the best time of a look, in ms."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        look()
        best = min(best, time.perf_counter() - began)
    return 1000 * best


async def fetched(store: FolderStore, etag: str, records: int, *, idle_s: float = 0) -> tuple[float, float]:
    """Fetch and look at records, four at once; return the seconds, and the longest delay of a tick."""
    row: dict[str, Any] = {f"{kind}_{name}": "" for kind in MEDIA_KINDS for name in ("key", "etag", "sent_sha256")}
    for kind in ("card_front", "card_back", "face"):
        row |= {f"{kind}_key": "p.jpg", f"{kind}_etag": etag}
    places = asyncio.Semaphore(4)
    worst = 0.0

    async def one() -> None:
        async with places:
            await fetch(store, row, LIMITS)

    async def tick() -> None:
        nonlocal worst
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK_S)
            worst = max(worst, time.perf_counter() - before - TICK_S)

    ticking = asyncio.create_task(tick())
    began = time.perf_counter()
    await asyncio.gather(asyncio.sleep(idle_s), *(one() for _ in range(records)))
    seconds = time.perf_counter() - began
    ticking.cancel()
    return seconds, worst


if __name__ == "__main__":
    main()
