"""A standing decision asks a doubt again once, by a later night, for so much money; kept with who set it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.ledger.decided import listed
from tasks.ledger.doubts import Chosen, decide_all
from tasks.settings import Policy
from tests.nights import Nights
from tests.people import fixed, invented

Make = Callable[..., Nights]
FIRST, SECOND, THIRD = (dt.date(2026, 11, day) for day in (24, 25, 26))


def standing(amount: str) -> dict[str, Any]:
    return {"in_doubt": "reask_below", "reask_below": amount, "set_by": "Head of KYC"}


def ill(night: Nights, *places: int) -> None:
    night.twin.faults({"fault": "reset_after", "match": {"nth": list(places)}})


def test_a_doubt_is_asked_again_once_by_a_later_night_and_kept_with_who_set_it(nights: Make) -> None:
    night = nights(policy=standing("5.00"), limits={"in_flight": 1})
    night.people([*invented(4), fixed("504")])
    ill(night, 2, 3)
    first, told = night.whole(business_date=FIRST)
    assert told["records"]["outcomes"] == {"verified": 2, "in_doubt": 3}
    night.twin.faults()
    _, again = night.whole(business_date=FIRST, replan=True)
    assert again["records"]["outcomes"] == {"reused": 2, "in_doubt": 3}, "the same night is no later night"
    assert len(night.twin.journal()) == 5
    _, second = night.whole(business_date=SECOND)
    assert second["records"]["outcomes"] == {"reused": 2, "verified": 2, "in_doubt": 1}
    assert second["repeats"] == {"calls": 3, "amount": "1.50"}
    kept = night.runtime.ledger.read(listed)
    assert {(row.kind, row.who) for row in kept} == {("standing", "Head of KYC")}
    doubts = {row.target for row in kept}
    assert len(doubts) == 3
    assert {call.run_id for call in night.runtime.ledger.calls_named(sorted(doubts))} == {first.run_id}
    _, third = night.whole(business_date=THIRD)
    assert third["records"]["outcomes"] == {"reused": 4, "in_doubt": 1}, "never a third time"
    assert len(night.twin.journal()) == 8
    assert night.judge().clean


def test_a_night_repeats_no_more_than_its_amount(nights: Make) -> None:
    night = nights(policy=standing("1.00"))
    night.people(invented(6))
    ill(night, 2, 3, 4, 5)
    night.whole(business_date=FIRST)
    night.twin.faults()
    _, second = night.whole(business_date=SECOND)
    assert second["records"]["outcomes"] == {"reused": 2, "verified": 2, "in_doubt": 2}
    _, same = night.whole(business_date=SECOND, replan=True)
    assert same["records"]["outcomes"] == {"reused": 4, "in_doubt": 2}, "the amount is the night's, not the run's"
    _, third = night.whole(business_date=THIRD)
    assert third["records"]["outcomes"] == {"reused": 4, "verified": 2}
    assert len(night.twin.journal()) == 10
    assert night.judge().clean


def test_what_a_person_decided_about_is_not_asked_again_by_it(nights: Make) -> None:
    night = nights(policy=standing("5.00"))
    night.people([fixed("504")])
    night.whole(business_date=FIRST)
    order = night.order("resend")
    night.runtime.ledger.write(partial(decide_all, chosen=Chosen(), order=order))
    night.whole(business_date=SECOND)
    night.whole(business_date=THIRD)
    assert len(night.twin.journal()) == 2
    assert night.judge().clean


def test_without_it_a_doubt_waits_for_a_person(nights: Make) -> None:
    night = nights()
    night.people([fixed("504")])
    for date in (FIRST, SECOND, THIRD):
        night.whole(business_date=date)
    assert len(night.twin.journal()) == 1


def test_what_was_unreadable_and_surely_paid_is_not_asked_again_by_it(nights: Make) -> None:
    night = nights(policy=standing("5.00"))
    night.people([fixed("truncated")])
    night.whole(business_date=FIRST)
    night.whole(business_date=SECOND)
    assert len(night.twin.journal()) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"in_doubt": "reask_below", "reask_below": "5"}, "who answers for it"),
        ({"in_doubt": "reask_below", "set_by": "A"}, "needs an amount"),
        ({"reask_below": "5"}, "does nothing unless"),
    ],
)
def test_a_standing_decision_needs_an_amount_and_a_name(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Policy.model_validate(wrong)
