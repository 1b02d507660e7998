"""The pure rules of verifying: what an answer means, the gate, the window, the canary."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from tasks.ivs.client import Answer, IdCard
from tasks.ivs.codes import ANOTHERS_UUID, MISSING, UNREADABLE, refusal_rule, verdict_rule
from tasks.ledger import StoppedError
from tasks.privacy import Personal
from tasks.settings import Limits
from tasks.settings.profile import Breaker, Canary, Window
from tasks.verify.fate import Next, Tries, after, ending
from tasks.verify.gate import Gate
from tasks.verify.night import looks_wrong
from tasks.verify.window import seconds_left

LIMITS = Limits(attempts=3, retry_for_s=60, throttled_most_s=100)


def refused(code: str, status: int, **more: object) -> Answer:
    rule = refusal_rule(code, status)
    assert rule is not None
    return Answer("refusal", "none", rule, status=status, code=code, **more)  # type: ignore[arg-type]


VERDICT = Answer("verdict", "certain", verdict_rule("2001"), status=200, verification_code="2001")


@pytest.mark.parametrize(
    ("answer", "tries", "wanted"),
    [
        (VERDICT, Tries(), Next("done")),
        (Answer("missing", "possible", MISSING), Tries(), Next("done")),
        (Answer("unreadable", "certain", UNREADABLE, status=200), Tries(), Next("done")),
        (Answer("unreadable", "certain", ANOTHERS_UUID, status=200), Tries(), Next("stop", reason="provider")),
        (refused("IVS.0014", 400), Tries(), Next("stop", reason="account")),
        (refused("IVS.0009", 400), Tries(), Next("done")),
        (refused("IVS.0101", 500), Tries(), Next("again")),
        (refused("IVS.0101", 500), Tries(refused=2), Next("give_up", reason="provider")),
        (refused("IVS.0101", 500), Tries(elapsed_s=61), Next("give_up", reason="provider")),
        (refused("APIG.0308", 429, retry_after_s=4.0), Tries(refused=50), Next("again", wait_s=4.0)),
        (refused("APIG.0308", 429), Tries(elapsed_s=101), Next("give_up", reason="provider")),
        (refused("APIG.0307", 401), Tries(), Next("again", renew=True)),
        (refused("APIG.0307", 401), Tries(renewed=True), Next("stop", reason="account")),
        (refused("APIG.0201", 413), Tries(), Next("done")),
    ],
)
def test_what_is_done_after_an_answer(answer: Answer, tries: Tries, wanted: Next) -> None:
    assert after(answer, tries, LIMITS) == wanted


def test_a_doubt_is_never_asked_again_by_itself() -> None:
    for tries in (Tries(), Tries(refused=1), Tries(throttled=3)):
        assert after(Answer("missing", "possible", MISSING, status=504), tries, LIMITS).do == "done"


def test_an_answer_becomes_a_row_and_ocr_is_compared_and_dropped() -> None:
    card = IdCard(Personal("张三"), Personal("11010519491231002x"))
    answer = Answer("verdict", "certain", verdict_rule("1000"), status=200, verification_code="1000", idcard=card)
    row = ending(answer, 5, name="张三", number="110105491231002")
    assert (row.state, row.outcome, row.ocr_name_match, row.ocr_id_match) == ("answered", "verified", "match", "match")
    assert ending(answer, 5, name="李四", number="").ocr_name_match == "differs"
    assert "张三" not in str(row)


def gate(**over: object) -> tuple[Gate, list[str]]:
    told: list[str] = []

    async def tell(reason: str) -> None:
        told.append(reason)

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    made = Gate(Breaker(in_a_row=3, in_a_run=5, pause_s=1), tell=tell, sleep=sleep, **over)  # type: ignore[arg-type]
    return made, told


async def test_a_stop_is_told_once_and_the_first_reason_stays() -> None:
    made, told = gate()
    await made.enter()
    await made.stop("halted")
    await made.stop("window")
    with pytest.raises(StoppedError, match="halted"):
        await made.enter()
    assert told == ["halted"]


async def test_a_reached_cap_lets_go_what_it_has_room_for() -> None:
    made, _ = gate()
    await made.stop("budget")
    made.check(booked=True)
    with pytest.raises(StoppedError):
        made.check()


async def test_the_breaker_pauses_tries_one_and_then_stops() -> None:
    made, told = gate()
    for _ in range(3):
        await made.note(in_doubt=True)
    assert told == []
    await made.note(in_doubt=True)
    assert told == ["provider"]


async def test_an_answer_after_the_pause_opens_the_way_again() -> None:
    made, told = gate()
    for _ in range(3):
        await made.note(in_doubt=True)
    await made.note(in_doubt=False)
    await made.note(in_doubt=True)
    assert told == []
    await made.note(in_doubt=True)
    assert told == ["provider"], "five in a run are too many, however far apart"


async def test_a_closed_window_stops_the_run() -> None:
    left = [5.0]
    made, told = gate(closes_in_s=lambda: left[0])
    await made.enter()
    left[0] = 0.0
    with pytest.raises(StoppedError, match="window"):
        made.check(booked=True)
    with pytest.raises(StoppedError, match="window"):
        await made.enter()
    assert told == ["window"]


async def test_after_its_pause_the_breaker_lets_one_call_in_and_the_others_wait_for_what_comes_of_it() -> None:
    made, _ = gate()
    for _ in range(3):
        await made.note(in_doubt=True)
    await made.enter()
    others = [asyncio.ensure_future(made.enter()) for _ in range(4)]
    await asyncio.sleep(0.01)
    assert not any(other.done() for other in others)
    made.untried()
    await asyncio.sleep(0.01)
    assert [other.done() for other in others] == [True, False, False, False], "who did not send makes room for one"
    await made.note(in_doubt=False)
    await asyncio.gather(*others)


async def test_a_stop_ends_every_wait_at_once() -> None:
    made, _ = gate()
    never = asyncio.get_running_loop().create_future()
    wait = asyncio.ensure_future(made.unless_stopped(never))
    await asyncio.sleep(0)
    await made.stop("halted")
    with pytest.raises(StoppedError, match="halted"):
        await wait


async def test_no_wait_begins_once_a_run_is_stopped() -> None:
    made, _ = gate()
    await made.stop("cancelled")
    with pytest.raises(StoppedError, match="cancelled"):
        await made.unless_stopped(asyncio.sleep(60))


async def test_a_booked_call_waits_for_its_slot_beyond_a_cap_and_no_other_stop() -> None:
    for reason, goes in (("budget", True), ("halted", False)):
        made, _ = gate()
        moment = asyncio.get_running_loop().create_future()
        wait = asyncio.ensure_future(made.unless_stopped(moment, booked=True))
        await asyncio.sleep(0)
        await made.stop(reason)
        assert moment.cancelled() is not goes
        if goes:
            moment.set_result(None)
            await wait
            await made.unless_stopped(asyncio.sleep(0), booked=True)
        else:
            with pytest.raises(StoppedError, match=reason):
                await wait


async def test_who_is_cancelled_while_waiting_is_cancelled_even_when_the_run_stops_too() -> None:
    made, _ = gate()
    never = asyncio.get_running_loop().create_future()
    wait = asyncio.ensure_future(made.unless_stopped(never))
    await asyncio.sleep(0)
    wait.cancel()
    await made.stop("halted")
    with pytest.raises(asyncio.CancelledError):
        await wait


async def test_no_call_is_let_in_whose_moment_lies_behind_the_windows_end() -> None:
    made, told = gate(closes_in_s=lambda: 0.3)
    await made.enter(ahead_s=0.2)
    with pytest.raises(StoppedError, match="window"):
        await made.enter(ahead_s=0.4)
    assert told == ["window"]


CHINA = ZoneInfo("Asia/Shanghai")
NIGHT = Window(opens=dt.time(22), closes=dt.time(6))


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-11-24T22:00", 8),
        ("2026-11-25T05:00", 1),
        ("2026-11-25T06:00", 0),
        ("2026-11-24T21:59", 0),
        ("2026-11-26T23:00", 7),
    ],
)
def test_a_window_over_midnight_belongs_to_its_starting_date(now: str, hours: float) -> None:
    moment = dt.datetime.fromisoformat(now).replace(tzinfo=CHINA)
    assert seconds_left(NIGHT, dt.date(2026, 11, 24), moment) == hours * 3600


def test_a_night_of_tomorrow_does_not_start_today() -> None:
    moment = dt.datetime(2026, 11, 24, 23, tzinfo=CHINA)
    assert seconds_left(NIGHT, dt.date(2026, 11, 25), moment) == 0


@pytest.mark.parametrize(
    ("outcomes", "wrong"),
    [
        ({"verified": 20}, False),
        ({"verified": 3, "mismatch": 17}, True),
        ({"verified": 4, "mismatch": 16}, False),
        ({"unknown_verdict": 6, "unreadable": 5, "verified": 9}, True),
        ({"mismatch": 19}, False),
    ],
)
def test_a_canary_judges_only_a_whole_slice(outcomes: dict[str, int], wrong: bool) -> None:
    assert looks_wrong(Counter(outcomes), Canary(records=20)) is wrong
