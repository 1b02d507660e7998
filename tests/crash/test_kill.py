"""Killed at any instant, a night pays for nothing twice and loses nothing. The long form: python -m tests.crash.driver."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.conftest import Twin
from tests.crash import driver, worker
from tests.databases import Database
from tests.nights import Nights
from tests.people import invented

KILLS = {"sqlite": (17, 3_400), "postgres": (8, 1_600)}


def test_twenty_five_kills_lose_nothing_and_pay_for_nothing_twice(database: Database) -> None:
    """A third of them on PostgreSQL; 5,000 records over both."""
    kills, records = KILLS[database.kind]
    told = driver.drive(kills, records, seed=7, url=database.url)
    sys.stderr.write("\n" + driver.table([told]) + "\n")
    assert not told.findings, str(told.found)
    assert told.kills == kills
    assert told.found.counts["in doubt"] > 0, "none was killed while calls were in flight"


def die_at_commit(number: int, when: str) -> None:
    """Make this process die at its n-th commit of anything: just before it, or just after it is durable."""
    real = Connection._commit_impl
    counted = [0]

    def commit(self: Connection) -> None:
        if self.get_execution_options().get("reading"):
            return real(self)
        counted[0] += 1
        if counted[0] == number and when == "before":
            os._exit(9)
        real(self)
        if counted[0] == number:
            os._exit(9)
        return None

    Connection._commit_impl = commit  # type: ignore[method-assign]


def one_start(folder: str, number: int, when: str, *, again: bool) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  # a dying process is noisy
    if number:
        die_at_commit(number, when)
    worker.main(Path(folder), again=again)


def start_ended(folder: Path, number: int, when: str, *, again: bool = False) -> int | None:
    child = multiprocessing.get_context("fork").Process(
        target=one_start, args=(str(folder), number, when), kwargs={"again": again}
    )
    child.start()
    child.join(120)
    code = child.exitcode
    child.close()
    return code


STEP = {"sqlite": 1, "postgres": 4}
"""Every write of an SQLite ledger; on PostgreSQL, which makes the same ones, each fourth."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_at_every_ledger_write_in_turn_leaves_the_books_right(
    twin: Twin, tmp_path: Path, make_database: Callable[[], Database], when: str
) -> None:
    """n = 1, 2, 3 ... until a start ends clean: opening, claiming, calls, closing; each time from an empty ledger.

    A second start finishes what the first left, and the night after pays for nothing again.
    """
    deaths = 0
    for number in itertools.count(1):
        folder = tmp_path / f"{when}-{number}"
        folder.mkdir()
        twin.control("POST", "/reset")
        twin.lift_quota()
        database = make_database()
        number *= STEP[database.kind]  # noqa: PLW2901
        driver.prepare(folder, twin.at, 6, 2_000, ledger=database.url)
        died = start_ended(folder, number, when) == 9
        deaths += died
        if died:
            assert start_ended(folder, 0, when) == 0, f"{when} commit {number}"
        first = driver.judged(folder, twin.at, 6)
        assert first.clean, f"{when} commit {number}: {first}"
        (folder / "done").unlink()
        assert start_ended(folder, 0, when, again=True) == 0
        after = driver.judged(folder, twin.at, 6)
        assert after.clean, f"the night after {when} commit {number}: {after}"
        assert after.counts["billed"] == first.counts["billed"], f"paid again after {when} commit {number}"
        if not died:
            break
    sys.stderr.write(f"\n{database.kind}: died {when} {deaths} of {number} commits\n")
    assert number > 12


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
