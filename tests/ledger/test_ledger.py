"""The ledger: what may leave, what it costs, who owns it, and that nothing half-written is ever believed."""

from __future__ import annotations

import asyncio
import datetime as dt
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tasks.ledger import (
    CapReachedError,
    Claim,
    Departure,
    Ending,
    FencedError,
    Ledger,
    LedgerError,
    LedgerUnavailableError,
    OpenQuestionError,
    RunBusyError,
    StoppedError,
    halts,
)
from tasks.ledger.budget import Cap, month_scope, night_scope, run_scope
from tasks.ledger.decided import Decision, listed
from tasks.ledger.runs import finish, kept, stop, stopped_for
from tests.databases import Database

BOUND = {"endpoint": "loopback", "project": "p"}
Price = partial(lambda _family, _calls: 500_000)


def opened(database: Database | str, **over: Any) -> Ledger:
    return Ledger(database if isinstance(database, str) else database.url, bound_to=BOUND, **over)


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    made = opened(database)
    yield made
    made.close()


def claim(sequence: int = 1) -> Claim:
    date = dt.date(2026, 11, 24)
    return Claim(f"r{sequence}", "test", "s", date, sequence, "h" * 64, "{}", 1, "planned", 1)


def caps(micros: int = 10_000_000, calls: int = 0, run_id: str = "r1") -> list[Cap]:
    scopes = (run_scope(run_id), night_scope("n"), month_scope("n", "2026-11"))
    return [Cap(scope, micros, calls) for scope in scopes]


def taken(ledger: Ledger, **over: Any) -> int:
    ledger.claim(claim())
    return ledger.take("r1", caps(**over))


def call(ledger: Ledger, epoch: int, name: str = "c1", **over: Any) -> Departure:
    values: dict[str, Any] = {
        "call_id": name, "run_id": "r1", "epoch": epoch, "owner": ledger.owner.name, "record_ref": f"R{name}", "chunk": 0,
        "attempt": 1, "question": f"q{name}", "subject": "s", "key_id": "k", "operation": "id2_text",
        "family": "two_factor", "cost_centre": "", "org_code": "", "night": "n", "month": "2026-11", "sent_us": 1,
        "worst_micros": 500_000,
    }  # fmt: skip
    return Departure(**(values | over))


VERDICT = Ending("answered", "verdict", "certain", 2, status=200, outcome="verified")
REFUSED = Ending("refused", "refusal", "none", 2, status=429)
DOUBT = Ending("in_doubt", "missing", "possible", 2)
UNREADABLE = Ending("answered", "unreadable", "certain", 2, status=200, outcome="unreadable")


def booked(ledger: Ledger) -> tuple[int, int, int]:
    row = ledger.booked(run_scope("r1"))
    assert row is not None
    return row.certain_micros, row.possible_micros, row.calls


async def test_a_departure_is_in_the_file_before_it_is_allowed(ledger: Ledger, database: Database) -> None:
    await ledger.depart(call(ledger, taken(ledger)))
    assert database.rows("SELECT state, charge, open FROM calls") == [("sent", "possible", 1)]
    assert booked(ledger) == (0, 500_000, 1)


@pytest.mark.parametrize(
    ("ending", "money", "still_open"),
    [
        (VERDICT, (500_000, 0, 1), 0),
        (REFUSED, (0, 0, 0), 0),
        (DOUBT, (0, 500_000, 1), 1),
        (UNREADABLE, (500_000, 0, 1), 1),
    ],
    ids=["verdict", "refusal", "missing", "unreadable"],
)
async def test_each_ending_costs_what_the_table_says(
    ledger: Ledger, ending: Ending, money: tuple[int, int, int], still_open: int
) -> None:
    departing = call(ledger, taken(ledger))
    await ledger.depart(departing)
    await ledger.end(departing, ending, Price)
    row = ledger.calls_of("r1", ["Rc1"])[0]
    assert booked(ledger) == money
    assert (row.state, row.answer, row.charge, row.open) == (ending.state, ending.answer, ending.charge, still_open)


async def test_a_withdrawn_call_costs_nothing_and_frees_its_question(ledger: Ledger) -> None:
    epoch = taken(ledger)
    departing = call(ledger, epoch)
    await ledger.depart(departing)
    await ledger.withdraw(departing)
    assert booked(ledger) == (0, 0, 0)
    await ledger.depart(call(ledger, epoch, "c2", question="qc1"))


async def test_a_late_answer_settles_its_doubt_and_is_counted_once(ledger: Ledger) -> None:
    departing = call(ledger, taken(ledger))
    await ledger.depart(departing)
    for ending in (DOUBT, VERDICT, VERDICT, REFUSED):
        await ledger.end(departing, ending, Price)
    assert booked(ledger) == (500_000, 0, 1)
    assert ledger.calls_of("r1", ["Rc1"])[0].state == "answered"


@pytest.mark.parametrize("late", [DOUBT, UNREADABLE, REFUSED], ids=["missing", "unreadable", "refusal"])
@pytest.mark.parametrize(("kind", "outcome"), [("resend", ""), ("write-off", "failed")])
async def test_a_late_word_does_not_open_again_what_was_decided(
    ledger: Ledger, kind: str, outcome: str, late: Ending
) -> None:
    epoch = taken(ledger)
    departing = call(ledger, epoch)
    await ledger.depart(departing)
    await ledger.end(departing, DOUBT, Price)
    ledger.decide_doubt("c1", kind, who="A", why="B", decision="d1")
    again = call(ledger, epoch, "c2", question="qc1")
    if kind == "resend":
        await ledger.depart(again)
    await ledger.end(departing, late, Price)
    (row,) = ledger.calls_named(["c1"])
    assert (row.state, row.open, row.decision) == (late.state, 0, "d1")
    assert row.outcome == (outcome or late.outcome)
    assert row.charge == late.charge, "what it cost is known"


async def test_an_answer_that_a_plan_did_not_know_of_fences_what_it_planned(ledger: Ledger) -> None:
    departing = call(ledger, taken(ledger))
    await ledger.depart(departing)
    answered_us, real = ledger.clock_us(), ledger.awrite

    async def away(work: Any) -> Any:
        ledger.awrite = real  # type: ignore[method-assign]
        raise LedgerUnavailableError("away")

    ledger.awrite = away  # type: ignore[method-assign]
    await ledger.end(departing, replace(VERDICT, ended_us=answered_us), Price)
    for sequence, known_us in enumerate((0, answered_us - 1), start=2):
        ledger.claim(replace(claim(sequence), as_of_us=answered_us + 10**9))
        epoch = ledger.take(f"r{sequence}", caps(run_id=f"r{sequence}"))
        unknowing = call(ledger, epoch, "c2", run_id=f"r{sequence}", question="qc1", known_us=known_us)
        with pytest.raises(OpenQuestionError, match="did not know of"):
            await ledger.depart(unknowing)
        knowing = replace(unknowing, known_us=answered_us)
    await ledger.depart(knowing)


async def test_a_question_open_or_answered_under_another_key_is_not_asked(ledger: Ledger) -> None:
    first = call(ledger, taken(ledger))
    await ledger.depart(first)
    second = replace(first, call_id="c2", record_ref="R2", question="newer", also=("qc1",))
    with pytest.raises(OpenQuestionError):
        await ledger.depart(second)
    await ledger.end(first, replace(VERDICT, ended_us=7), Price)
    with pytest.raises(OpenQuestionError, match="did not know of"):
        await ledger.depart(replace(second, known_us=6))
    await ledger.depart(replace(second, known_us=7))


async def test_one_profiles_month_is_no_room_for_another(ledger: Ledger) -> None:
    ledger.claim(claim())
    small = [Cap(scope, 500_000) for scope in (run_scope("r1"), night_scope("a:1"), month_scope("a:1", "2026-11"))]
    large = [Cap(scope, 10**9) for scope in (run_scope("r2"), night_scope("b:1"), month_scope("b:1", "2026-11"))]
    epoch = ledger.take("r1", [small[2], *(replace(cap, micros=10**9) for cap in small[:2])])
    ledger.claim(claim(2))
    other = ledger.take("r2", large)
    await ledger.depart(call(ledger, other, "b1", run_id="r2", night="b:1"))
    await ledger.depart(call(ledger, epoch, "a1", night="a:1"))
    with pytest.raises(CapReachedError, match="month"):
        await ledger.depart(call(ledger, epoch, "a2", night="a:1"))
    await ledger.depart(call(ledger, other, "b2", run_id="r2", night="b:1"))


def test_what_was_cancelled_since_a_start_was_made_is_not_taken_by_it(ledger: Ledger) -> None:
    ledger.claim(claim())
    made_us = ledger.clock_us()
    ledger.write(lambda c: halts.cancel(c, Decision("cancel", "r1", "A", "B", made_us + 5)))
    with pytest.raises(StoppedError, match="cancelled"):
        ledger.take("r1", caps(), since_us=made_us)
    assert ledger.run("r1").state == "planned"
    assert ledger.take("r1", caps(), since_us=made_us + 6) == 1, "a new press goes on"


def test_what_is_cancelled_while_a_form_waits_is_cancelled(ledger: Ledger) -> None:
    ledger.claim(claim())
    ledger.write(lambda c: stop(c, "r1", "not_approved"))
    ledger.write(lambda c: halts.cancel(c, Decision("cancel", "r1", "A", "B", 5)))
    ledger.write(lambda c: stop(c, "r1", "not_approved"))
    assert ledger.run("r1").stop == "cancelled"


def test_an_owner_that_has_lost_its_run_stops_nobody_else(ledger: Ledger) -> None:
    before = taken(ledger)
    epoch = ledger.take("r1", caps())
    for told, wanted in ((before, ""), (epoch, "window")):
        ledger.write(lambda c, told=told: stop(c, "r1", "window", epoch=told))  # type: ignore[misc]
        assert ledger.run("r1").stop == wanted


@pytest.mark.parametrize("again", [True, False])
def test_a_redrive_remembers_why_the_run_was_stopped_before(ledger: Ledger, again: bool) -> None:
    taken(ledger)
    ledger.write(lambda c: stop(c, "r1", "budget"))
    for _ in range(2):
        ledger.take("r1", caps(), again=again)
        run = ledger.run("r1")
        assert (run.stop, stopped_for(run)) == ("", "budget" if again else "")


def test_a_run_that_was_taken_while_it_was_closed_is_left_to_its_owner(ledger: Ledger) -> None:
    before = taken(ledger)
    words: dict[str, Any] = {"state": "completed", "revision": 1, "closing": "", "now_us": 1}
    after = ledger.take("r1", caps())
    with pytest.raises(RunBusyError, match="taken over"):
        ledger.write(partial(finish, run_id="r1", epoch=before, **words))
    assert ledger.write(partial(kept, run_id="r1", chunks="[]", epoch=before)) is False
    run = ledger.run("r1")
    assert (run.state, run.owner, run.kept_chunks) == ("running", ledger.owner.name, "")
    ledger.write(partial(finish, run_id="r1", epoch=after, **words))
    assert ledger.run("r1").state == "completed"


@pytest.mark.parametrize("ending", [None, DOUBT, UNREADABLE], ids=["sent", "in doubt", "unreadable"])
async def test_a_question_has_at_most_one_open_call(ledger: Ledger, ending: Ending | None) -> None:
    epoch = taken(ledger)
    departing = call(ledger, epoch)
    await ledger.depart(departing)
    if ending:
        await ledger.end(departing, ending, Price)
    before = booked(ledger)
    with pytest.raises(OpenQuestionError):
        await ledger.depart(call(ledger, epoch, "c2", question="qc1"))
    assert booked(ledger) == before
    assert ledger.calls_of("r1", ["Rc2"]) == []


async def test_a_stopped_halted_or_lost_run_lets_no_call_leave(ledger: Ledger) -> None:
    epoch = taken(ledger)
    with pytest.raises(FencedError):
        await ledger.depart(call(ledger, epoch - 1))
    ledger.halt("why")
    with pytest.raises(StoppedError, match="halted"):
        await ledger.depart(call(ledger, epoch))
    ledger.halt("")
    ledger.write(lambda c: stop(c, "r1", "window"))
    ledger.write(lambda c: stop(c, "r1", "budget"))
    with pytest.raises(StoppedError, match="window"):
        await ledger.depart(call(ledger, epoch))
    assert booked(ledger) == (0, 0, 0)


@pytest.mark.parametrize("over", [{"micros": 1_000_000}, {"calls": 2}])
async def test_the_cap_counts_the_worst_case_before_the_call(ledger: Ledger, over: dict[str, int]) -> None:
    epoch = taken(ledger, **over)
    for name in ("c1", "c2"):
        await ledger.depart(call(ledger, epoch, name))
    with pytest.raises(CapReachedError, match="run|night|month"):
        await ledger.depart(call(ledger, epoch, "c3"))
    await ledger.end(call(ledger, epoch, "c1"), REFUSED, Price)
    await ledger.depart(call(ledger, epoch, "c4"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, VERDICT, REFUSED, DOUBT, UNREADABLE])), max_size=25)
)
def test_money_never_passes_the_cap_whatever_happens(
    make_database: Callable[[], Database], story: list[tuple[int, Ending | None]]
) -> None:
    made = opened(make_database())
    epoch = taken(made, micros=2_000_000)

    async def live() -> None:
        for place, (question, ending) in enumerate(story):
            departing = call(made, epoch, f"c{place}", question=f"q{question}")
            try:
                await made.depart(departing)
            except (CapReachedError, OpenQuestionError):
                continue
            if ending:
                await made.end(departing, ending, Price)
            certain, possible, _ = booked(made)
            assert certain + possible <= 2_000_000
            assert possible >= 0

    asyncio.run(live())
    rows = made.counts("r1")
    told = {charge: sum(int(row.micros) for row in rows if row.charge == charge) for charge in ("certain", "possible")}
    assert booked(made)[:2] == (told["certain"], told["possible"])
    made.close()


async def test_one_bad_item_does_not_spoil_its_neighbours_in_a_commit(ledger: Ledger) -> None:
    epoch = taken(ledger)
    gate = threading.Event()
    held = ledger._writer.submit(lambda _c: gate.wait(5))
    names = ("c1", "c2", "c1", "c3")
    waiting = [asyncio.ensure_future(ledger.depart(call(ledger, epoch, name))) for name in names]
    await asyncio.sleep(0.05)
    gate.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert held.result()
    assert [type(one).__name__ for one in ended] == ["NoneType", "NoneType", "OpenQuestionError", "NoneType"]
    assert booked(ledger) == (0, 1_500_000, 3)


async def test_where_the_commit_fails_nobody_is_told_that_it_may_leave(ledger: Ledger) -> None:
    """The disk is full at the commit: every item of the batch fails, nothing of it stays, and the next one works."""
    epoch = taken(ledger)
    engine = ledger._engine
    real = engine.dialect.do_commit

    def full(_connection: Any) -> None:
        raise engine.dialect.loaded_dbapi.OperationalError("database or disk is full")  # type: ignore[attr-defined]

    engine.dialect.do_commit = full
    with pytest.raises(LedgerUnavailableError, match="disk is full"):
        await ledger.depart(call(ledger, epoch))
    engine.dialect.do_commit = real
    assert ledger.calls_of("r1", ["Rc1"]) == []
    assert booked(ledger) == (0, 0, 0)
    await ledger.depart(call(ledger, epoch))


def test_the_file_is_private_and_every_commit_is_on_the_disk(tmp_path: Path) -> None:
    made = opened(f"sqlite:///{tmp_path}/ledger.sqlite")
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o077 == 0
    modes = made.read(lambda c: [c.execute(text(f"PRAGMA {n}")).scalar() for n in ("journal_mode", "synchronous")])
    assert modes == ["wal", 2]
    made.close()


def test_a_plan_is_claimed_once(ledger: Ledger) -> None:
    assert [ledger.claim(claim()), ledger.claim(claim()), ledger.claim(claim(2))] == [True, False, True]


def test_a_living_owner_keeps_its_run_and_a_released_one_loses_it(database: Database) -> None:
    one, two = opened(database), opened(database)
    epoch = taken(one)
    with pytest.raises(RunBusyError):
        two.take("r1", caps())
    one.close()
    assert two.take("r1", caps()) == epoch + 1
    two.close()


def leave_sent(url: str, ready: Any) -> None:
    made = opened(url)
    departing = call(made, taken(made))
    asyncio.run(made.depart(departing))
    ready.set()
    threading.Event().wait()


def test_what_a_killed_process_left_sent_is_in_doubt_and_a_living_ones_is_not(database: Database) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    child = context.Process(target=leave_sent, args=(database.url, ready))
    child.start()
    assert ready.wait(30)
    beside = opened(database)
    assert beside.recovered == 0
    child.kill()
    child.join()
    child.close()
    ends = time.monotonic() + 30
    while database.owners() > 1 and time.monotonic() < ends:  # a server takes a moment to notice
        time.sleep(0.01)
    after = opened(database)
    assert after.recovered == 1
    row = after.calls_of("r1", ["Rc1"])[0]
    assert (row.state, row.answer, row.charge, row.open) == ("in_doubt", "missing", "possible", 1)
    beside.close()
    after.close()


def depart_many(url: str, who: int, results: Any) -> None:
    made = opened(url)
    row = made.run("r1")

    async def go() -> int:
        left = 0
        for place in range(60):
            try:
                await made.depart(call(made, row.epoch, f"c{who}-{place}", question=f"q{place}"))
                left += 1
            except (OpenQuestionError, CapReachedError):
                continue
        return left

    results.put(asyncio.run(go()))
    made.close()


@pytest.mark.parametrize(("cap", "wanted"), [(100_000_000, 60), (10_000_000, 20)])
def test_processes_that_race_never_ask_twice_and_never_pass_the_cap(database: Database, cap: int, wanted: int) -> None:
    first = opened(database)
    taken(first, micros=cap)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    children = [context.Process(target=depart_many, args=(database.url, who, results)) for who in range(3)]
    for child in children:
        child.start()
    left = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join()
        child.close()
    results.close()
    results.join_thread()
    assert sum(left) == wanted
    assert booked(first)[1] == wanted * 500_000
    first.close()


def test_a_closed_ledger_says_so(database: Database) -> None:
    made = opened(database)
    made.close()
    with pytest.raises(LedgerError, match="closed"):
        made.write(lambda _c: None)


def test_decisions_are_kept_with_who_and_why(ledger: Ledger) -> None:
    ledger.decide("approve", "h", who="A", why="B", decision="d1")
    (found,) = ledger.read(listed)
    assert (found.kind, found.target, found.who, found.why, found.decision) == ("approve", "h", "A", "B", "d1")


def test_an_unknown_run_is_named(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="no run 'nope'"):
        ledger.run("nope")
