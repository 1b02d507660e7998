"""Many at once on one ledger, of either kind: no cap is passed at any instant, and no question is asked twice."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from tasks.ledger import CapReachedError, Ending, Ledger, OpenQuestionError, RunBusyError
from tasks.quota import Lane, lease
from tasks.verify.night import open_night
from tests.conftest import secret_values
from tests.databases import Database
from tests.ledger.test_ledger import DOUBT, REFUSED, UNREADABLE, VERDICT, Price, call, caps, claim, opened, taken
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]
CAP = 6_000_000
AT_ONCE = 8


def lives(database: Database, who: int, epoch: int) -> Counter[str]:
    """Depart and end calls at random, as a process of its own would, with its own connection and owner."""
    rng = random.Random(who)
    mine = opened(database)
    told: Counter[str] = Counter()

    async def one(place: int) -> None:
        departing = call(mine, epoch, f"c{who}-{place}", question=f"q{rng.randrange(60)}")
        try:
            await mine.depart(departing)
        except (CapReachedError, OpenQuestionError) as error:
            told[type(error).__name__] += 1
            return
        told["left"] += 1
        ending = rng.choice([VERDICT, REFUSED, REFUSED, DOUBT, UNREADABLE, None])
        if ending:
            await mine.end(departing, ending, Price)

    async def go() -> None:
        for start in range(0, 40, 5):
            await asyncio.gather(*(one(place) for place in range(start, start + 5)))

    asyncio.run(go())
    mine.close()
    return told


def test_eight_at_once_never_pass_a_cap_at_any_instant(database: Database) -> None:
    first = opened(database)
    epoch = taken(first, micros=CAP)
    over: list[Any] = []
    done = threading.Event()

    def watch() -> int:
        looks = 0
        while not done.is_set():
            rows = database.rows("SELECT certain_micros, possible_micros, cap_micros FROM budget")
            over.extend(row for row in rows if row[0] + row[1] > row[2] or min(row[:2]) < 0)
            looks += 1
        return looks

    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        watching = pool.submit(watch)
        told = sum(
            (one.result() for one in [pool.submit(lives, database, who, epoch) for who in range(AT_ONCE)]), Counter()
        )
        done.set()
        assert watching.result() > 10
    assert over == []
    assert told["CapReachedError"] > 0
    assert told["OpenQuestionError"] > 0
    (row,) = database.rows(
        "SELECT coalesce(sum(CASE WHEN charge = 'certain' THEN price_micros END), 0), "
        "coalesce(sum(CASE WHEN charge = 'possible' THEN worst_micros END), 0), "
        "sum(CASE WHEN charge <> 'none' THEN 1 ELSE 0 END) FROM calls"
    )
    booked = database.rows("SELECT certain_micros, possible_micros, calls FROM budget")
    assert booked == [tuple(map(int, row))] * 3, "what is booked is what the calls say, in all three scopes"
    twice = database.rows("SELECT question FROM calls WHERE open = 1 GROUP BY question HAVING count(*) > 1")
    assert twice == []
    first.close()


def test_a_question_answered_by_another_a_moment_ago_is_not_asked(make_database: Callable[[], Database]) -> None:
    """Planned before, answered meanwhile: the fence sees the answer whoever commits it first."""
    database = make_database()
    first, second = opened(database), opened(database)
    first.claim(claim())
    first.claim(claim(2))
    epochs = first.take("r1", caps(10**9)), second.take("r2", caps(10**9, run_id="r2"))
    verdict = Ending("answered", "verdict", "certain", first.clock_us(), status=200, outcome="verified")

    async def go(place: int) -> list[str]:
        departing = call(first, epochs[0], f"a{place}", question=f"q{place}")
        other = call(second, epochs[1], f"b{place}", question=f"q{place}", run_id="r2")
        await first.depart(departing)

        async def late() -> str:
            try:
                await second.depart(other)
            except OpenQuestionError:
                return "refused"
            return "asked"

        told = await asyncio.gather(first.end(departing, verdict, Price), *(late() for _ in range(3)))
        return [one for one in told if one]

    async def all_of() -> list[list[str]]:
        return [await go(place) for place in range(25)]

    told = asyncio.run(all_of())
    assert {word for words in told for word in words} == {"refused"}
    first.close()
    second.close()


def test_slots_leased_by_eight_at_once_are_all_different(database: Database) -> None:
    lane = Lane("x", 500.0)
    held = [opened(database) for _ in range(AT_ONCE)]

    def take(ledger: Ledger) -> list[int]:
        return [slot for _ in range(12) for slot in ledger.write(lambda c: lease(c, lane, 3, ledger.clock_us()))[0]]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        slots = sorted(slot for taken_by in pool.map(take, held) for slot in taken_by)
    assert len(slots) > AT_ONCE * 12
    assert min(later - earlier for earlier, later in pairwise(slots)) >= 2_000
    for one in held:
        one.close()


def start(profile: str, secrets: dict[str, str], run_id: str, ready: Any, told: Any) -> None:
    """A start in a process of its own: take the run and verify it, or say in one line why not."""
    from tasks.runtime import Runtime
    from tasks.settings import Profile, Secrets

    held = Runtime(Profile.model_validate_json(profile), Secrets(secrets))
    ledger = held.ledger
    run = ledger.run(run_id)
    ready.wait()
    try:
        night = open_night(held, run, 10**9)
    except RunBusyError as error:
        told.put(str(error))
        held.close()
        return

    async def chunk(part: Any) -> None:
        await night.chunk(part)

    async def go() -> None:
        await night.verify(chunk)
        await night.asker.client.aclose()

    asyncio.run(go())
    told.put("verified")
    held.close()


def started(night: Nights, run_ids: list[str]) -> list[str]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ready, told = context.Barrier(len(run_ids)), context.Queue()
    profile = night.profile.model_dump_json()
    secrets = secret_values(night.twin.at)
    children = [context.Process(target=start, args=(profile, secrets, run_id, ready, told)) for run_id in run_ids]
    for child in children:
        child.start()
    said = [told.get(timeout=90) for _ in children]
    for child in children:
        child.join()
        assert child.exitcode == 0
        child.close()
    told.close()
    told.join_thread()
    return sorted(said)


def test_two_starts_of_one_plan_ask_each_question_once(nights: Make) -> None:
    night = nights(limits={"rate_per_s": {"two_factor": 30, "three_factor": 30}})
    night.people(invented(60))
    run = night.plan()
    said = started(night, [run.run_id, run.run_id])
    assert said == [f"run {run.run_id} is under way in another process: wait for it, or stop it first", "verified"]
    assert night.close(run).outcomes == {"verified": 60}
    found = night.judge()
    assert found.clean, str(found)
    assert found.counts["requests"] == 60


def test_two_plans_that_share_questions_ask_each_once_from_two_processes(nights: Make) -> None:
    night = nights()
    night.people(invented(60))
    first, second = night.plan(), night.plan(replan=True)
    assert started(night, [first.run_id, second.run_id]) == ["verified", "verified"]
    ended = [night.close(run).outcomes for run in (first, second)]
    assert ended[0]["verified"] + ended[1]["verified"] == 60
    assert all(one["verified"] + one["reused"] == 60 for one in ended)
    found = night.judge()
    assert found.clean, str(found)
    assert found.counts["requests"] == 60
