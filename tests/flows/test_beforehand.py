"""What is approved by day: a plan by its hash, or a night by an envelope; each covers what it says and nothing else."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from flows import backfill, progress
from flows.beforehand import Envelope, signed
from flows.voids import void_now
from tasks import ingest
from tasks.approve import approved_cap, decide, end_of, hear, planned, say, verdict
from tasks.ledger import LedgerError, RunRow, StoppedError
from tasks.ledger.decided import about_run, listed
from tasks.ledger.envelopes import take
from tasks.ledger.runs import plan_of
from tasks.plan import PlanKey, load_or_make
from tasks.runtime import Runtime
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]
NIGHT = dt.date(2026, 11, 24)
FAR = "2099-12-31"
WORST = 5_000_000
SIGNED = {"profile": "test", "name": "Li", "reason": "forecast of the afternoon"}
TERMS = SIGNED | {"business_date": f"{NIGHT}", "most_records": 10, "most_money": "5.00", "until": FAR}


@pytest.fixture
def night(nights: Make) -> Nights:
    """Return a night of ten people, whose plan costs 5.00 at worst and waits for a person above 1.00."""
    made = nights(money={"approve_above": "1.00"})
    made.people(invented(10))
    return made


def sign(night: Nights, **over: Any) -> dict[str, Any]:
    return signed(night.runtime, Envelope.model_validate(TERMS | over))


def word(held: Runtime, plan_hash: str, kind: str, answer: str = "") -> RunRow:
    return say(held.ledger, held.profile.name, plan_hash, kind, who="Li", why="because", answer=answer)


def cap(night: Nights, run: Any) -> int | None:
    return approved_cap(night.runtime.ledger, run, night.profile.money)


def test_an_envelope_approves_the_plan_it_covers_in_the_name_of_who_signed_it(night: Nights) -> None:
    terms = sign(night)
    assert terms == {
        "profile": "test", "business_date": "2026-11-24", "until": FAR, "most_records": 10, "most_money": "5.00",
    }  # fmt: skip
    run = night.plan()
    assert cap(night, run) == WORST
    assert cap(night, run) == WORST, "a second start takes nothing more"
    (approve, envelope) = night.runtime.ledger.read(listed)
    assert (approve.kind, approve.target, approve.who) == ("approve", run.plan_hash, "Li")
    assert approve.why == f"envelope {envelope.decision}"
    assert (envelope.kind, envelope.target) == ("envelope", "test:2026-11-24")
    behind = night.runtime.ledger.read(lambda c: about_run(c, run.run_id))
    assert [row.decision for row in behind] == [approve.decision], "results name what they rest on"


@pytest.mark.parametrize(
    "less",
    [{"most_records": 9}, {"most_money": "4.99"}, {"business_date": "2026-11-25"}],
    ids=["records", "money", "date"],
)
def test_a_plan_beyond_its_envelope_waits_for_a_person(night: Nights, less: dict[str, Any]) -> None:
    sign(night, **less)
    assert cap(night, night.plan()) is None


def test_the_newest_envelope_of_a_night_counts_alone(night: Nights) -> None:
    sign(night)
    sign(night, most_money="0")
    run = night.plan()
    assert cap(night, run) is None
    sign(night)
    assert cap(night, run) == WORST


def test_a_rejected_plan_is_approved_by_no_envelope(night: Nights) -> None:
    sign(night)
    run = night.plan()
    word(night.runtime, run.plan_hash[:8], "reject")
    assert cap(night, run) is None


def test_an_envelope_ends_with_its_last_day_and_what_it_approved_stays_so(
    night: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, zone = night.runtime.ledger, night.profile.zone
    run, now = night.plan(), [end_of(NIGHT, zone) - 1]
    monkeypatch.setattr(ledger, "clock_us", lambda: now[0])
    sign(night, until=f"{NIGHT}")
    now[0] += 1
    assert cap(night, run) is None
    with pytest.raises(LedgerError, match="expired"):
        sign(night, until=f"{NIGHT}")
    with pytest.raises(LedgerError, match="ends before its night"):
        sign(night, until="2026-11-23")
    assert sign(night, until=None)["until"] == "2026-11-25"
    now[0] = end_of(NIGHT + dt.timedelta(days=1), zone) - 1
    assert cap(night, run) == WORST
    now[0] += 86_400_000_000
    assert cap(night, run) == WORST


def test_the_plans_that_an_envelope_approves_share_it(night: Nights) -> None:
    sign(night, most_records=25, most_money="11.00")
    first = night.plan()
    assert cap(night, first) == WORST
    night.people(invented(12))
    second = night.plan(replan=True)
    assert (second.sequence, cap(night, second)) == (2, 6_000_000)
    night.people(invented(3))
    third = night.plan(replan=True)
    assert cap(night, third) is None, "22 of 25 rows and all of the money are taken"
    assert cap(night, first) == WORST


def test_signed_twice_an_envelope_is_worth_no_more_than_once(night: Nights) -> None:
    sign(night)
    assert cap(night, night.plan()) == WORST
    sign(night)
    again = night.plan(replan=True)
    assert cap(night, again) is None
    sign(night, most_records=20, most_money="10.00")
    assert cap(night, again) == WORST, "ten rows and 5.00 more than those before have approved"


def test_a_plan_like_one_that_was_approved_is_another_plan(night: Nights) -> None:
    sign(night)
    first = night.plan()
    night.verify(first)
    night.end(first)
    void_now(night.runtime, first.run_id, "", who="Li", why="wrong population")
    second = night.plan(replan=True)
    assert plan_of(second)["estimate"] == plan_of(first)["estimate"]
    assert second.plan_hash != first.plan_hash
    assert cap(night, second) is None, "the envelope is used up"


def test_neither_a_word_nor_an_envelope_is_about_another_profile(night: Nights) -> None:
    run = night.plan()
    other = Runtime(night.profile.model_copy(update={"name": "other"}), night.runtime.secrets)
    theirs = load_or_make(
        other, PlanKey(NIGHT), lambda told: ingest.read_profile(other.records, other.profile.source, NIGHT, told=told)
    )
    assert theirs.plan_hash != run.plan_hash
    with pytest.raises(LedgerError, match="0 plans of other"):
        word(other, run.plan_hash, "approve")
    sign(night)
    assert approved_cap(other.ledger, theirs, other.profile.money) is None
    assert cap(night, run) == WORST
    other.close()


def test_a_word_names_a_plan_that_waits_for_one(night: Nights) -> None:
    run = night.plan()
    for name in ("0" * 8, "0" * 64):
        with pytest.raises(LedgerError, match="copy it from the plan card"):
            word(night.runtime, name, "approve")
    for name in ("", run.plan_hash[:7]):
        with pytest.raises(LedgerError, match="0 plans"):
            planned(night.runtime.ledger, "test", name)
    assert night.runtime.ledger.read(listed) == []
    for name, decision in ((run.plan_hash[:8], "reject"), (run.plan_hash, "approve")):
        assert word(night.runtime, name, decision).run_id == run.run_id
    assert cap(night, run) == WORST
    other = Runtime(night.profile, night.runtime.secrets)
    other.ledger.take(run.run_id, [])
    with pytest.raises(LedgerError, match="under way"):
        word(night.runtime, run.plan_hash, "reject")
    other.close()
    night.verify(run)
    night.end(run)
    with pytest.raises(LedgerError, match="asked to its end"):
        word(night.runtime, run.plan_hash, "reject")


def test_the_newest_word_is_the_last_that_was_said_whatever_the_clock_says(
    night: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ledger = night.plan(), night.runtime.ledger
    now = [0]
    monkeypatch.setattr(ledger, "clock_us", lambda: now[0])
    for now[0], kind in ((2_000_000, "approve"), (2_000_000, "reject"), (1_000_000, "approve")):
        decide(ledger, run.plan_hash, kind, who="Li", why="because")
        assert verdict(ledger, run.plan_hash) == kind


def test_an_answer_on_a_form_is_kept_once_and_undoes_no_later_rejection(night: Nights) -> None:
    run, ledger = night.plan(), night.runtime.ledger

    def answered(kind: str, answer: str) -> str:
        hear(ledger, run.plan_hash, kind, who="B", why="form", answer=answer * 32)
        return verdict(ledger, run.plan_hash)

    assert answered("reject", "a") == "reject"
    decide(ledger, run.plan_hash, "approve", who="Li", why="looked again")
    assert answered("reject", "a") == "approve", "given before, and heard again by a later start"
    assert answered("reject", "b") == "reject", "given before, and not heard yet"
    assert answered("approve", "c") == "reject", "given before it, and kept so"
    assert [row.kind for row in ledger.read(listed)] == ["reject", "approve", "approve", "reject"]


def test_a_word_that_answers_a_form_too_is_kept_once_and_heard_again_undoes_no_later_one(night: Nights) -> None:
    run, ledger = night.plan(), night.runtime.ledger
    word(night.runtime, run.plan_hash, "reject", answer="a" * 32)
    decide(ledger, run.plan_hash, "approve", who="B", why="looked again")
    hear(ledger, run.plan_hash, "reject", who="Li", why="because", answer="a" * 32)
    assert verdict(ledger, run.plan_hash) == "approve"
    word(night.runtime, run.plan_hash, "reject", answer="a" * 32)
    assert verdict(ledger, run.plan_hash) == "reject", "said once more"
    assert [row.kind for row in ledger.read(listed)] == ["reject", "approve", "reject"]


def test_a_plan_that_is_rejected_after_its_approval_was_read_is_not_taken(night: Nights) -> None:
    run, ledger = night.plan(), night.runtime.ledger
    decide(ledger, run.plan_hash, "approve", who="Li", why="because")
    assert cap(night, run) == WORST
    decide(ledger, run.plan_hash, "reject", who="Li", why="wrong population")
    with pytest.raises(StoppedError, match="not_approved"):
        ledger.take(run.run_id, [])
    assert night.twin.journal() == []


async def test_a_night_whose_plan_is_rejected_as_it_begins_ends_as_not_approved(
    night: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run, ledger = night.plan(), night.runtime.ledger
    decide(ledger, run.plan_hash, "reject", who="Li", why="wrong population")

    async def begins(*_given: Any, **_named: Any) -> None:
        ledger.take(run.run_id, [])

    monkeypatch.setattr(backfill, "runtime", lambda _: night.runtime)
    monkeypatch.setattr(backfill, "verify", begins)
    for module in (backfill, progress):
        monkeypatch.setattr(module, "get_run_logger", logging.getLogger)
    await backfill.ask("test", run, WORST, 0)
    assert "rejected since this start was made" in caplog.text
    assert night.end(run)["state"] == "stopped_not_approved"


def test_an_envelope_takes_nothing_for_a_plan_about_which_somebody_has_spoken(night: Nights) -> None:
    sign(night)
    run, ledger = night.plan(), night.runtime.ledger
    decide(ledger, run.plan_hash, "reject", who="Li", why="because")
    ledger.write(lambda c: take(c, "test", NIGHT, run.plan_hash, records=1, micros=1, now_us=ledger.clock_us()))
    assert verdict(ledger, run.plan_hash) == "reject"
    assert [row.kind for row in ledger.read(listed)] == ["reject", "envelope"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"most_records": 0}, {"most_money": "-1"}, {"most_money": "1.001"}, {"most_money": "1e6"}, {"most_money": ""},
        {"business_date": None}, {"business_date": "2100-01-01"}, {"until": "9999-12-31"}, {"most_money": "1\u0662"}, {"name": ""}, {"reason": "110101188001010010"}, {"most_mony": "1"},
    ],
)  # fmt: skip
def test_a_slip_in_an_envelope_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Envelope.model_validate(TERMS | wrong)
