"""Resume a run of any size in which all but the last chunk is answered: how long until the first call would leave.

    python -m tests.scale.resume [RECORDS] [--json]

The clock starts where the verify step does, with the plan made and the ledger open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from tasks.runtime import Runtime
from tasks.staging import Staging
from tasks.verify.night import open_night
from tests.memory import peak_mb
from tests.scale.night import answer, opened, planned


class FirstCall(Exception):  # noqa: N818  # it ends the measurement, nothing is wrong
    """The first record was to be asked."""


class Stopwatch:
    """Stands where records are asked, and stops at the first."""

    async def ask(self, row: dict[str, Any], chunk: int) -> None:
        """Stop."""
        raise FirstCall


def main() -> None:
    """Measure, and print."""
    words = argparse.ArgumentParser()
    words.add_argument("records", type=int, nargs="?", default=1_000_000)
    words.add_argument("--json", action="store_true")
    told = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="ivs-scale-") as name:
        found = measure(Path(name), told.records)
    print(json.dumps(found) if told.json else "\n".join(f"{key} {value}" for key, value in found.items()))


def measure(folder: Path, records: int) -> dict[str, Any]:
    """Plan, answer all but the last chunk, resume; return the figures."""
    held = opened(folder, records)
    run = planned(held)
    answered = answer(held, run, but_last=1)
    took, read = first_call(held, run)
    held.close()
    return {"records": records, "answered": answered, "first_call_s": round(took, 2), "chunks_read": read} | {
        "peak_mb": round(peak_mb())
    }


def first_call(held: Runtime, run: Any) -> tuple[float, int]:
    """Return the seconds to the first call, and how many staged chunks were read for it."""
    read: list[str] = []
    real = Staging.read

    def counted(self: Staging, part: Any) -> Any:
        read.append(part.name)
        return real(self, part)

    async def go() -> None:
        night = await asyncio.to_thread(open_night, held, run, 10**12)
        client, night.asker = night.asker.client, Stopwatch()  # type: ignore[assignment]
        try:
            await night.verify(lambda part: night.chunk(part))  # type: ignore[arg-type, return-value]
        finally:
            await client.aclose()

    Staging.read = counted  # type: ignore[method-assign]
    began = time.perf_counter()
    try:
        asyncio.run(go())
    except FirstCall:
        return time.perf_counter() - began, len(read)
    finally:
        Staging.read = real  # type: ignore[method-assign]
    raise AssertionError("nothing was open")


if __name__ == "__main__":
    main()
