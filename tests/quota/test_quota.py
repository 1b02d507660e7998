"""Slots: never more in a sliding second than granted, shared, given back to nobody, slower after a refusal."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tasks.ledger import Ledger
from tasks.quota import LEASE_US, MISSED_US, Lane, Pacer, lease, throttled
from tasks.quota.lease import HELD_MOST_US
from tests.databases import Database

SECOND = 1_000_000
TEN = Lane("p:two_factor", 10.0)


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    made = Ledger(database.url, bound_to={"endpoint": "e"})
    yield made
    made.close()


def asked(ledger: Ledger, wanted: int, now: int, lane: Lane = TEN) -> tuple[list[int], int]:
    return ledger.write(lambda c: lease(c, lane, wanted, now))


def most_in_a_second(slots: list[int]) -> int:
    ordered = sorted(slots)
    return max((sum(start <= slot < start + SECOND for slot in ordered) for start in ordered), default=0)


def test_slots_lie_one_interval_apart_and_no_farther_than_half_a_second(ledger: Ledger) -> None:
    slots, free = asked(ledger, 100, SECOND)
    assert slots == [SECOND + n * 100_000 for n in range(6)]
    assert free == SECOND + 600_000
    assert asked(ledger, 5, SECOND) == ([], free)


def test_what_nobody_used_does_not_add_up(ledger: Ledger) -> None:
    asked(ledger, 1, 0)
    slots, _ = asked(ledger, 10, 60 * SECOND)
    assert slots[0] == 60 * SECOND
    assert most_in_a_second(slots) <= 10


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 700_000), st.integers(1, 40), st.booleans()), max_size=40),
    st.sampled_from([1.0, 7.0, 10.0, 45.0, 300.0]),
)
def test_no_sliding_second_ever_holds_more_than_the_rate(
    make_database: Callable[[], Database], story: list[tuple[int, int, bool]], rate: float
) -> None:
    made = Ledger(make_database().url, bound_to={"endpoint": "e"})
    lane, now, slots = Lane("x", rate), SECOND, []
    for step, wanted, refused in story:
        now += step
        if refused:
            made.write(lambda c, now=now: throttled(c, lane, now, pause_s=0, limit_per_s=None))
        slots += asked(made, wanted, now, lane)[0]
    made.close()
    assert most_in_a_second(slots) <= rate
    assert len(set(slots)) == len(slots)


def test_a_refusal_lowers_the_rate_for_all_and_it_climbs_back(ledger: Ledger) -> None:
    ledger.write(lambda c: throttled(c, TEN, SECOND, pause_s=0, limit_per_s=None))
    slots, _ = asked(ledger, 3, SECOND)
    assert slots[1] - slots[0] == math.ceil(SECOND / 7)
    later = SECOND + 40 * SECOND
    slots, _ = asked(ledger, 3, later)
    assert slots[1] - slots[0] == 100_000
    assert ledger.throttled() == 1


def test_refusals_that_arrive_together_are_one_cut(ledger: Ledger) -> None:
    for place in range(5):
        ledger.write(lambda c, p=place: throttled(c, TEN, SECOND + p, pause_s=0, limit_per_s=None))
    slots, _ = asked(ledger, 2, SECOND + 10)
    assert slots[1] - slots[0] == pytest.approx(SECOND / 7, abs=2)
    assert ledger.throttled() == 5


def test_the_providers_own_limit_and_pause_are_honoured(ledger: Ledger) -> None:
    ledger.write(lambda c: throttled(c, TEN, SECOND, pause_s=2.0, limit_per_s=4.0))
    slots, _ = asked(ledger, 2, 3 * SECOND)
    assert slots[0] == 3 * SECOND
    assert slots[1] - slots[0] == pytest.approx(SECOND / 4.4, abs=20_000)


def test_a_clock_that_was_set_back_does_not_hold_the_lane_for_as_long(ledger: Ledger) -> None:
    asked(ledger, 1, 7_200 * SECOND)
    slots, _ = asked(ledger, 2, SECOND)
    assert slots == [SECOND, SECOND + 100_000]


def test_no_refusal_holds_a_lane_for_more_than_a_quarter_of_an_hour(ledger: Ledger) -> None:
    ledger.write(lambda c: throttled(c, TEN, SECOND, pause_s=1e6, limit_per_s=None))
    assert asked(ledger, 1, SECOND) == ([], SECOND + HELD_MOST_US)
    slots, _ = asked(ledger, 1, SECOND + HELD_MOST_US)
    assert slots == [SECOND + HELD_MOST_US]


class Clock:
    """A ledger whose clock is told, and whose sleeps move it."""

    def __init__(self, ledger: Ledger) -> None:
        self.now = 10 * SECOND
        self._ledger = ledger
        self.clock_us: Callable[[], int] = lambda: self.now

    async def awrite(self, work: Callable[[Connection], Any]) -> Any:
        return await self._ledger.awrite(work)

    async def sleep(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)
        await asyncio.sleep(0)


async def test_callers_get_their_slots_in_order_and_none_too_early(ledger: Ledger) -> None:
    clock = Clock(ledger)
    pacer = Pacer(TEN, clock, clock.sleep)
    slots = await asyncio.gather(*(pacer.slot() for _ in range(25)))
    assert slots == sorted(slots)
    assert most_in_a_second(slots) <= 10
    assert slots[-1] <= clock.now + LEASE_US
    assert pacer.granted == 25


async def test_a_missed_slot_is_given_up_and_another_taken(ledger: Ledger) -> None:
    clock = Clock(ledger)
    pacer = Pacer(TEN, clock, clock.sleep)
    slot = await pacer.slot()
    clock.now = slot + MISSED_US + 1
    await pacer.moment(slot)
    assert pacer.granted == 2
    assert clock.now >= slot + 100_000


async def test_a_caller_that_went_away_costs_no_slot(ledger: Ledger) -> None:
    clock = Clock(ledger)
    pacer = Pacer(TEN, clock, clock.sleep)
    waiting = [asyncio.ensure_future(pacer.slot()) for _ in range(3)]
    waiting[1].cancel()
    got = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(got[1], asyncio.CancelledError)
    assert got[2] - got[0] == 100_000


async def test_where_the_ledger_is_gone_callers_are_told(ledger: Ledger) -> None:
    ledger._writer.close()
    pacer = Pacer(TEN, Clock(ledger))
    with pytest.raises(Exception, match="closed"):
        await pacer.slot()
