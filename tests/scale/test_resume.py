"""A run of many chunks is resumed by one question to the ledger, not by reading what is done."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from tasks.ledger.runs import never_left, plan_of
from tasks.verify.night import open_night
from tests.scale.night import answer, opened, planned, staging_of
from tests.scale.resume import Stopwatch, measure


def test_the_first_call_waits_for_no_chunk_that_is_done(tmp_path: Path) -> None:
    found = measure(tmp_path, 6_000)
    assert found["answered"] >= 5_800
    assert found["chunks_read"] == 1


def test_a_chunk_whose_records_never_left_gets_no_task_run(tmp_path: Path) -> None:
    held = opened(tmp_path, 300)
    run = planned(held)
    answer(held, run, but_last=1)
    staging = staging_of(held, run)
    last = staging.manifest(plan_of(run)["manifest_sha256"]).chunks[-1]
    for ref in staging.read(last).column("record_ref").to_pylist():
        how: dict[str, Any] = {"outcome": "rejected", "reason": "bad_media", "now_us": 1}
        held.ledger.write(partial(never_left, run_id=run.run_id, record_ref=ref, **how))
    night = open_night(held, run, 1)
    client, night.asker = night.asker.client, Stopwatch()  # type: ignore[assignment]
    begun: list[int] = []

    async def go() -> None:
        async def each(part: Any) -> None:
            begun.append(part.chunk)

        await night.verify(each)
        await client.aclose()

    asyncio.run(go())
    held.close()
    assert begun == []
    assert night.progress.percent == 100
