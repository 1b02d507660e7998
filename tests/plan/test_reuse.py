"""What was answered serves until its own verdict's clock has run out, and not a microsecond longer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tasks.plan.reuse import Known, Past, still_serves
from tasks.records import PAID_ANSWERS, Outcome
from tests.nights import Nights
from tests.people import invented

DAY = 86_400_000_000


@given(st.sampled_from(Outcome), st.integers(0, 400), st.integers(0, 500 * DAY))
def test_each_verdict_has_its_own_clock(outcome: Outcome, days: int, age_us: int) -> None:
    at = 1_795_000_000_000_000
    known = Known("c", "r", outcome.value, "1000", at)
    assert still_serves(known, {outcome: days}, at + age_us) is (age_us < days * DAY)
    assert not still_serves(known, {}, at + age_us), "a verdict without a clock never serves"


def call(question: str, outcome: str, ended_us: int, *, is_open: int = 0) -> Any:
    told = {"question": question, "outcome": outcome, "ended_us": ended_us, "open": is_open}
    return SimpleNamespace(call_id=f"c{ended_us}", run_id="r", verification_code="", code="", **told)


calls = st.lists(
    st.builds(
        lambda question, outcome, is_open: (question, outcome, is_open),
        st.sampled_from(["new", "old", "other"]),
        st.sampled_from(["", *Outcome]),
        st.sampled_from([0, 0, 1]),
    ),
    max_size=8,
)


@given(calls)
def test_the_latest_answer_under_any_name_counts_and_an_open_call_keeps_its_name(
    told: list[tuple[str, str, int]],
) -> None:
    past = Past([call(name, outcome, at, is_open=is_open) for at, (name, outcome, is_open) in enumerate(told)])
    mine = [(at, one) for at, one in enumerate(told) if one[0] in {"new", "old"}]
    answers = [at for at, (_, outcome, is_open) in mine if outcome in PAID_ANSWERS and not is_open]
    known = past.known(("new", "old"))
    assert (known.at_us if known else None) == (answers[-1] if answers else None)
    open_names = {name for _, (name, _, is_open) in mine if is_open}
    assert past.open_under(("new", "old")) == (1 if open_names == {"old"} else 0)


def test_a_verdict_without_time_left_is_asked_again_and_the_others_are_not(nights: Callable[..., Nights]) -> None:
    night = nights(policy={"reverify_days": {"verified": 365, "mismatch": 0}})
    night.people([*invented(3), *invented(2, code="2001")])
    night.night()
    yesterday = text("UPDATE calls SET sent_us = sent_us - :day, ended_us = ended_us - :day")
    night.runtime.ledger.write(lambda connection: connection.execute(yesterday, {"day": DAY}))
    _, found = night.night(replan=True)
    assert found.outcomes == {"reused": 3, "mismatch": 2}
