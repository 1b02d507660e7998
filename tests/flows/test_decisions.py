"""What people decide shows as the next revision, is kept with who and why, and moves nothing else."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows import closing
from flows.voids import void_now
from tasks.ledger import Ledger, LedgerError, RunBusyError, halts
from tasks.ledger.calls import Departure, Ending, end
from tasks.ledger.decided import about_run, listed
from tasks.ledger.doubts import Chosen, decide_all, runs_touched, unrevised
from tasks.reconcile import reconcile
from tasks.runtime import Runtime
from tests.nights import Nights
from tests.people import fixed, invented

Make = Callable[..., Nights]
DOUBTS = ("504", "reset after billing")
EVERY = Chosen()
SECOND = dt.date(2026, 11, 25)


def settle(night: Nights, kind: str, chosen: Chosen = EVERY) -> list[Any]:
    return night.runtime.ledger.write(partial(decide_all, chosen=chosen, order=night.order(kind)))


def digests(night: Nights, run_id: str, revision: int) -> dict[str, str]:
    folder = night.folder / "results" / run_id / f"r{revision}"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_write_off_is_the_next_revision_and_the_older_one_stays_as_it_was(nights: Make) -> None:
    night = nights()
    night.people([*invented(4), *map(fixed, DOUBTS)])
    run, first = night.whole()
    assert (first["revision"], first["records"]["outcomes"]) == (1, {"verified": 4, "in_doubt": 2})
    before = digests(night, run.run_id, 1)
    settled = settle(night, "write-off")
    assert len(settled) == 2
    second = night.end(run)
    assert (second["revision"], second["records"]["outcomes"]) == (2, {"verified": 4, "failed": 2})
    assert second["reasons"] == {"written_off": 2}
    assert second["run_money"] == first["run_money"], "its money stays possible"
    assert digests(night, run.run_id, 1) == before, "results are never edited"
    behind = {row.decision for row in night.runtime.ledger.read(partial(about_run, run_id=run.run_id))}
    said = night.manifest(second)
    assert (said["supersedes"], set(said["because"]), set(said["decisions"])) == (1, behind, behind)
    assert len(behind) == 2
    page = Path(second["report"]).read_text(encoding="utf-8")
    assert all(name in page for name in behind), "the page to sign names what it rests on"
    assert night.judge().clean


def test_a_decision_whose_process_died_before_the_revision_is_known(nights: Make) -> None:
    night = nights()
    night.people([*invented(2), *map(fixed, DOUBTS)])
    run, _ = night.whole()

    def waiting() -> list[str]:
        return night.runtime.ledger.read(partial(unrevised, profile="test"))

    settle(night, "resend", Chosen((night.runtime.ledger.doubts()[0].call_id,)))
    assert waiting() == [], "no row says anything else"
    settle(night, "write-off")
    assert waiting() == [run.run_id]
    assert (night.end(run)["revision"], waiting()) == (2, [])
    void_now(night.runtime, run.run_id, "people.csv", who="Li", why="because")
    assert waiting() == [run.run_id]
    assert (night.end(run)["revision"], waiting()) == (3, [])


def test_closing_again_with_nothing_new_keeps_the_revision(nights: Make) -> None:
    night = nights()
    night.people([*invented(2), fixed("504")])
    run, first = night.whole()
    again = night.end(run)
    assert again == first
    settle(night, "resend")
    assert night.end(run)["revision"] == 1, "resent, and not yet asked again: the rows say what they said"
    (night.folder / "results" / run.run_id / "r1" / "manifest.json").unlink()
    assert night.end(run)["revision"] == 2, "a revision whose manifest is gone is written anew"


def test_a_run_that_points_to_a_settled_call_is_revised_too(nights: Make) -> None:
    night = nights()
    night.people([*invented(2), fixed("504")])
    first, _ = night.whole()
    second, pointing = night.whole(business_date=SECOND)
    assert pointing["records"]["outcomes"] == {"reused": 2, "in_doubt": 1}
    names = [row.call_id for row in settle(night, "write-off")]
    touched = night.runtime.ledger.read(partial(runs_touched, call_ids=names))
    assert touched == sorted([first.run_id, second.run_id])
    for run in (first, second):
        ended = night.end(run)
        assert (ended["revision"], ended["reasons"]) == (2, {"written_off": 1})
        assert len(night.manifest(ended)["because"]) == 1
    assert len(night.twin.journal()) == 3
    assert night.judge().clean


def answer_late(ledger: Ledger, doubt: Any) -> None:
    """Let a doubtful call's owner report that it is verified."""
    held = {one.name: doubt._mapping[one.name] for one in fields(Departure) if one.name in doubt._mapping}
    late = Ending("answered", "verdict", "certain", doubt.ended_us, status=200, outcome="verified")
    ledger.write(partial(end, call=Departure(**held), ending=late, price=lambda _family, _so_far: 500_000))


def test_a_doubt_that_its_owner_answers_late_is_known_in_all_runs_that_show_it(nights: Make) -> None:
    night = nights()
    night.people([*invented(2), fixed("504")])
    first, _ = night.whole()
    second, _ = night.whole(business_date=SECOND)
    ledger = night.runtime.ledger
    (doubt,) = ledger.doubts()
    answer_late(ledger, doubt)
    assert ledger.read(partial(unrevised, profile="test")) == sorted([first.run_id, second.run_id])
    assert night.end(first)["records"]["outcomes"] == {"verified": 3}
    assert night.end(second)["records"]["outcomes"] == {"reused": 3}
    assert ledger.read(partial(unrevised, profile="test")) == []


def test_a_doubt_that_is_answered_while_its_run_is_closed_is_not_forgotten(
    nights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = nights()
    night.people([*invented(2), fixed("504")])
    run = night.plan()
    night.verify(run)
    ledger = night.runtime.ledger
    (doubt,) = ledger.doubts()

    def meanwhile(*given: Any, **named: Any) -> Any:
        found = reconcile(*given, **named)
        answer_late(ledger, doubt)
        return found

    with monkeypatch.context() as closing_now:
        closing_now.setattr(closing, "reconcile", meanwhile)
        assert night.end(run)["records"]["outcomes"] == {"verified": 2, "in_doubt": 1}
    assert ledger.read(partial(unrevised, profile="test")) == [run.run_id]
    assert night.end(run)["records"]["outcomes"] == {"verified": 3}
    assert ledger.read(partial(unrevised, profile="test")) == []


def test_doubts_are_chosen_by_id_by_run_and_by_age_and_all_or_none_is_settled(nights: Make) -> None:
    night = nights()
    night.people(list(map(fixed, DOUBTS)))
    run, _ = night.whole()
    doubts = night.runtime.ledger.doubts()
    names = [row.call_id for row in doubts]
    for nothing in (Chosen((names[0], "unknown")), Chosen(run_id="other"), Chosen(before_us=doubts[0].sent_us)):
        with pytest.raises(LedgerError, match="waits for a decision"):
            settle(night, "resend", nothing)
    assert len(night.runtime.ledger.doubts()) == 2, "one wrong id, and nothing is settled"
    assert [row.call_id for row in settle(night, "resend", Chosen(before_us=doubts[1].sent_us))] == names[:1]
    assert [row.call_id for row in settle(night, "resend", Chosen(run_id=run.run_id))] == names[1:]
    kept = night.runtime.ledger.read(listed)
    assert {(row.kind, row.target, row.who, row.why) for row in kept} == {
        ("resend", name, "Li", "because") for name in names
    }


def test_a_cancelled_run_drains_and_the_next_start_goes_on(nights: Make) -> None:
    night = nights(limits={"in_flight": 4})
    night.people(invented(60))
    run = night.plan()
    other = Runtime(night.profile, night.runtime.secrets)

    def cancel_soon(one: Any) -> None:
        async def cancel() -> None:
            while one.progress.sent < 20:
                await asyncio.sleep(0.001)
            owner = await other.ledger.awrite(partial(halts.cancel, order=night.order("cancel", run.run_id)))
            assert other.ledger.owner.is_alive(owner)

        night.task = asyncio.ensure_future(cancel())  # type: ignore[attr-defined]

    night.verify(run, cancel_soon)
    first = night.end(run)
    assert first["state"] == "stopped_cancelled"
    assert first["records"]["outcomes"].keys() == {"verified", "not_attempted"}, "calls in flight were awaited"
    with pytest.raises(LedgerError, match="has ended already"):
        other.ledger.write(partial(halts.cancel, order=night.order("cancel", run.run_id)))
    other.close()
    night.verify(night.plan())
    second = night.end(run)
    assert (second["state"], second["revision"]) == ("completed", 2)
    assert len(night.twin.journal()) == 60
    assert night.judge().clean


def test_a_run_under_way_elsewhere_is_not_closed(nights: Make) -> None:
    night = nights()
    night.people(invented(2))
    run = night.plan()
    other = Runtime(night.profile, night.runtime.secrets)
    other.ledger.take(run.run_id, [])
    with pytest.raises(RunBusyError, match="closes itself"):
        night.end(run)
    other.close()
    assert night.end(run)["state"] == "stopped_cancelled", "its process is gone"
