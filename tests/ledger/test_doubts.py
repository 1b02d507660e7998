"""A doubt waits for a person; what the person decides is kept, and decides whether it is asked again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.ledger import LedgerError
from tasks.ledger.decided import listed
from tests.nights import Nights
from tests.people import fixed, invented

Make = Callable[..., Nights]


@pytest.mark.parametrize("effect", ["reset after billing", "truncated"])
def test_a_resent_question_is_asked_again_and_the_judge_knows_why(nights: Make, effect: str) -> None:
    night = nights()
    night.people([*invented(3), fixed(effect)])
    night.night()
    (doubt,) = night.runtime.ledger.doubts()
    night.night(replan=True)
    assert len(night.twin.journal()) == 4, "without a decision it is not asked again"
    night.runtime.ledger.decide_doubt(doubt.call_id, "resend", who="A", why="B", decision="d1")
    night.night(replan=True)
    assert len(night.twin.journal()) == 5
    assert night.judge().clean
    (kept,) = night.runtime.ledger.read(listed)
    assert (kept.kind, kept.target, kept.who, kept.why) == ("resend", doubt.call_id, "A", "B")


def test_a_written_off_question_is_not_asked_again_until_it_is_due(nights: Make) -> None:
    night = nights()
    night.people([*invented(2), fixed("504")])
    first, _ = night.night()
    (doubt,) = night.runtime.ledger.doubts()
    night.runtime.ledger.decide_doubt(doubt.call_id, "write-off", who="A", why="B", decision="d1")
    assert night.close(first).outcomes == {"verified": 2, "failed": 1}, "a later revision shows what was decided"
    _, again = night.night(replan=True)
    assert again.outcomes == {"reused": 3}
    assert len(night.twin.journal()) == 3
    assert night.runtime.ledger.doubts() == []


def test_a_doubt_stays_in_doubt_for_its_run_when_it_is_resent(nights: Make) -> None:
    night = nights()
    night.people([fixed("504")])
    first, _ = night.night()
    (doubt,) = night.runtime.ledger.doubts()
    night.runtime.ledger.decide_doubt(doubt.call_id, "resend", who="A", why="B", decision="d1")
    assert night.close(first).outcomes == {"in_doubt": 1}


def test_a_decision_is_made_once_and_only_about_what_waits(nights: Make) -> None:
    night = nights()
    night.people([fixed("504")])
    night.night()
    (doubt,) = night.runtime.ledger.doubts()
    night.runtime.ledger.decide_doubt(doubt.call_id, "resend", who="A", why="B", decision="d1")
    for call_id in (doubt.call_id, "nothing"):
        with pytest.raises(LedgerError, match="waits for a decision"):
            night.runtime.ledger.decide_doubt(call_id, "resend", who="A", why="B", decision="d2")


def test_a_record_tells_its_story(nights: Make) -> None:
    night = nights()
    night.people([fixed("IVS.0101 once")])
    night.night()
    (ref,) = night.refs()
    calls, unsent = night.runtime.ledger.story(ref)
    assert [(call.state, call.status, call.outcome) for call in calls] == [
        ("refused", 500, ""),
        ("answered", 200, "verified"),
    ]
    assert unsent == []
