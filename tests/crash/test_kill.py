"""Killed at any instant, a night pays for nothing twice and loses nothing. The long form: python -m tests.crash.driver."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Twin
from tests.crash import driver, writes
from tests.databases import Database
from tests.nights import Nights
from tests.people import invented

KILLS = {"sqlite": (17, 3_400), "postgres": (8, 1_600)}


def test_twenty_five_kills_lose_nothing_and_pay_for_nothing_twice(
    database: Database, figure: Callable[[str], None]
) -> None:
    """A third of them on PostgreSQL; 5,000 records over both."""
    kills, records = KILLS[database.kind]
    told = driver.drive(kills, records, seed=7, url=database.url)
    figure(f"R1\n{driver.table([told])}")
    assert not told.findings, str(told.found)
    assert told.kills == kills
    assert told.found.counts["in doubt"] > 0, "none was killed while calls were in flight"


STEPS = {
    "sqlite": {"before": 1, "after": 1, "inside": 5},
    "postgres": {"before": 4, "after": 4, "inside": 10},
}
"""Every commit of an SQLite ledger, a fourth of PostgreSQL's, and of the statements inside them some of each."""


@pytest.mark.parametrize("when", ["before", "after", "inside"])
def test_dying_at_every_ledger_write_in_turn_leaves_the_books_right(
    twin: Twin, tmp_path: Path, make_database: Callable[[], Database], when: str, figure: Callable[[str], None]
) -> None:
    """Opening, claiming, calls, closing; every statement: python -m tests.crash.writes."""
    databases = (make_database() for _ in itertools.count())
    first = next(databases)
    told = writes.die_in_turn(tmp_path, twin, lambda: next(databases).url, when, step=STEPS[first.kind][when])
    figure(f"R3 {first.kind}: died {when} {told.died} writes of {told.writes}, and each night after: 0 broken")
    assert told.writes > 12
    assert told.died > 2


Make = Callable[..., Nights]


def test_two_runs_that_share_questions_never_ask_one_twice(nights: Make) -> None:
    """Two plans over the same people, verified side by side by one process: each question is asked once."""
    night = nights()
    night.people(invented(40))
    first, second = night.plan(), night.plan(replan=True)
    from tasks.verify.night import open_night

    opened = [open_night(night.runtime, run, 10**9) for run in (first, second)]

    async def go() -> None:
        await asyncio.gather(*(one.verify(partial(chunk, one)) for one in opened))
        for one in opened:
            await one.asker.client.aclose()

    async def chunk(one: Any, part: Any) -> None:
        await one.chunk(part)

    asyncio.run(go())
    ended = [night.close(run).outcomes for run in (first, second)]
    assert ended[0]["verified"] + ended[1]["verified"] == 40
    assert all(one["verified"] + one["reused"] == 40 for one in ended), "no false doubt: a living owner is waited for"
    relied = [row for table in night.results.values() for row in table.to_pylist() if row["outcome"] == "reused"]
    assert {row["verdict"] for row in relied} <= {"verified"}
    assert {row["relied_on_run"] for row in relied} <= {first.run_id, second.run_id}
    found = night.judge()
    assert found.clean, str(found)
    assert found.counts["billed"] == 40
