"""A run of many chunks is resumed by one question to the ledger, not by reading what is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tasks.ledger.runs import Note, never_left, plan_of
from tasks.staging import Staging
from tasks.verify.night import open_night
from tests.nights import Nights
from tests.people import invented
from tests.scale.night import answer, opened, planned, staging_of
from tests.scale.resume import measure


def test_the_first_call_waits_for_no_chunk_that_is_done(tmp_path: Path) -> None:
    found = measure(tmp_path, 6_000)
    assert found["answered"] >= 5_800
    assert found["chunks_read"] == 1


def test_a_chunk_whose_records_never_left_is_known_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = opened(tmp_path, 300)
    run = planned(held)
    answer(held, run, but_last=1)
    staging = staging_of(held, run)
    last = staging.manifest(plan_of(run)["manifest_sha256"]).chunks[-1]
    refs = staging.read(last).column("record_ref").to_pylist()
    monkeypatch.setattr(Staging, "read", None)
    for left, chunk in ((len(refs), -1), (0, last.chunk)):
        for ref in refs:
            note = Note("rejected", 1, reason="bad_media", chunk=chunk)
            held.ledger.write(partial(never_left, run_id=run.run_id, record_ref=ref, note=note))
        night = open_night(held, run, 1)
        assert [part.chunk for part in night.open_chunks()] == ([last.chunk] if left else [])
        asyncio.run(night.asker.client.aclose())
    assert night.progress.percent == 100
    held.close()


def test_what_never_left_and_was_answered_later_counts_once(nights: Callable[..., Nights]) -> None:
    night = nights()
    night.people(invented(3))
    run, _ = night.night()
    ref = min(night.refs())
    note = Note("failed", 1, reason="provider", chunk=0)
    night.runtime.ledger.write(partial(never_left, run_id=run.run_id, record_ref=ref, note=note))
    assert sum(night.runtime.ledger.ended_by_chunk(run.run_id).values()) == 3
