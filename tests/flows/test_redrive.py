"""A redrive asks again what a person chose, once, in its own run; whole nights against the real twin."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from flows import closing
from flows.closing import forget_staged, forget_unclaimed
from tasks.ledger import Departure, Ending, LedgerError, RunBusyError, halts
from tasks.ledger.budget import night_scope
from tasks.ledger.doubts import Chosen, decide_all
from tasks.plan import draft
from tasks.reconcile import reconcile
from tasks.runtime import Runtime
from tasks.staging import CHUNKS, Staging
from tests.nights import Nights
from tests.people import fixed, invented

Make = Callable[..., Nights]


def settle(night: Nights, kind: str) -> list[Any]:
    return night.runtime.ledger.write(partial(decide_all, chosen=Chosen(), order=night.order(kind)))


def chunks(night: Nights) -> int:
    return sum(1 for path in (night.folder / "staging").rglob("*.sealed") if "rows" not in path.name)


def test_failed_records_are_asked_again_in_their_run_and_the_rest_is_not(nights: Make) -> None:
    night = nights(limits={"attempts": 2, "chunk_records": 5})
    night.people([*invented(12), fixed("504"), fixed("IVS.0101")])
    run, first = night.whole()
    assert first["records"]["outcomes"] == {"verified": 12, "in_doubt": 1, "failed": 1}
    asked = len(night.twin.journal())
    assert night.redrive(run) == 1
    assert len(night.twin.journal()) == asked + 2, "the failed one, twice refused again; the doubt is not asked"
    assert night.end(run)["revision"] == 2
    assert night.judge().clean


def test_a_resent_doubt_is_asked_once_and_answered_in_the_next_revision(nights: Make) -> None:
    night = nights()
    people = invented(6)
    night.people(people)
    night.twin.faults({"fault": "reset_after", "match": {"nth": [2, 4]}})
    run, first = night.whole()
    assert first["records"]["outcomes"] == {"verified": 4, "in_doubt": 2}
    night.twin.faults()
    assert night.redrive(run) == 0, "nobody decided about them"
    settle(night, "resend")
    assert night.redrive(run) == 2
    second = night.end(run)
    assert (second["records"]["outcomes"], second["revision"], second["state"]) == ({"verified": 6}, 2, "completed")
    assert second["run_money"]["possible"] == first["run_money"]["possible"], "what was in doubt stays possibly spent"
    assert second["repeats"] == {"calls": 2, "amount": "1.00"}
    assert night.redrive(run) == 0
    assert night.end(run) == second, "pressed twice: nothing asked, the same revision"
    assert len(night.twin.journal()) == 8
    assert night.judge().clean
    booked = night.runtime.ledger.booked(night_scope("test:2026-11-26"))
    assert booked is not None
    assert booked.certain_micros == 1_000_000, "its calls count in the night in which they are sent"


@pytest.mark.parametrize("effect", ["504", "truncated"])
def test_a_doubt_is_redriven_by_naming_it_and_fenced_again_where_it_stays_out(nights: Make, effect: str) -> None:
    night = nights()
    night.people([*invented(2), fixed(effect)])
    run, first = night.whole()
    kind = "in_doubt" if effect == "504" else "unreadable"
    assert first["records"]["outcomes"] == {"verified": 2, kind: 1}
    assert night.redrive(run, "failed", "resent", kind) == 1
    second = night.end(run)
    assert (second["records"]["outcomes"], second["revision"]) == ({"verified": 2, kind: 1}, 2)
    assert len(night.twin.journal()) == 4
    assert len(night.runtime.ledger.doubts()) == 1, "the new call is open, the old one is decided"
    assert night.redrive(run) == 0
    night.whole(business_date=dt.date(2026, 11, 25))
    assert len(night.twin.journal()) == 4
    assert night.judge().clean


def test_a_pointing_record_is_redriven_through_the_call_it_points_to(nights: Make) -> None:
    night = nights()
    night.people(invented(3))
    night.twin.faults({"fault": "reset_after", "match": {"nth": [2]}})
    first, _ = night.whole()
    night.twin.faults()
    second, pointing = night.whole(business_date=dt.date(2026, 11, 25))
    assert pointing["records"]["outcomes"] == {"reused": 2, "in_doubt": 1}
    assert night.redrive(second, "in_doubt") == 1
    assert night.end(second)["records"]["outcomes"] == {"reused": 2, "verified": 1}
    assert night.redrive(first) == 1, "its call was decided there"
    assert night.end(first)["records"]["outcomes"] == {"verified": 2, "reused": 1}, "the answer is relied on"
    assert len(night.twin.journal()) == 4
    assert night.judge().clean


def test_a_written_off_record_is_asked_again_only_by_naming_it(nights: Make) -> None:
    night = nights()
    night.people(invented(3))
    night.twin.faults({"fault": "reset_after", "match": {"nth": [2]}})
    run, _ = night.whole()
    night.twin.faults()
    settle(night, "write-off")
    assert night.end(run)["reasons"] == {"written_off": 1}
    assert night.redrive(run) == 0
    assert night.redrive(run, "written_off") == 1
    assert night.end(run)["records"]["outcomes"] == {"verified": 3}
    assert night.judge().clean


def test_a_redrive_that_died_goes_on_with_what_it_chose_and_decides_nothing_anew(nights: Make) -> None:
    night = nights()
    night.people(invented(8))
    night.twin.faults({"fault": "reset_after", "match": {"nth": [2, 3, 4, 5]}})
    run, first = night.whole()
    assert first["records"]["outcomes"] == {"verified": 4, "in_doubt": 4}
    night.twin.faults({"fault": "reset_after", "match": {"nth": [1]}})

    def stop_soon(one: Any) -> None:
        async def stop() -> None:
            while one.progress.sent < 1:
                await asyncio.sleep(0.001)
            await one.gate.stop("cancelled")

        night.task = asyncio.ensure_future(stop())  # type: ignore[attr-defined]

    assert night.redrive(run, "in_doubt", during=stop_soon) == 4
    lost = [row.call_id for row in night.runtime.ledger.doubts()]
    assert len(lost) == 1
    night.twin.faults()
    assert night.redrive(run, "in_doubt") == 3, "the run was not closed: the same redrive goes on"
    assert [row.call_id for row in night.runtime.ledger.doubts()] == lost, "its own doubt is not asked a third time"
    assert night.end(run)["records"]["outcomes"] == {"verified": 7, "in_doubt": 1}
    assert len(night.twin.journal()) == 12
    assert night.judge().clean


def test_a_stopped_run_is_redriven_for_its_failures_only_and_stays_stopped(nights: Make) -> None:
    night = nights(money={"cap_run": "3.00"}, limits={"attempts": 1, "in_flight": 1})
    night.people([fixed("IVS.0101 once"), *invented(9)])
    run, first = night.whole()
    assert first["state"] == "stopped_budget"
    left = first["records"]["outcomes"]["not_attempted"]
    assert first["records"]["outcomes"]["failed"] == 1
    asked = len(night.twin.journal())
    night.redrive(run)
    second = night.end(run)
    assert len(night.twin.journal()) == asked, "the profile's cap holds: no form raises it"
    assert (second["state"], second["records"]["outcomes"]["not_attempted"]) == ("stopped_budget", left)


def test_what_a_redrive_is_stopped_for_is_not_why_others_were_never_attempted(nights: Make) -> None:
    night = nights(money={"cap_run": "3.00"}, limits={"attempts": 1, "in_flight": 1})
    night.people([fixed("IVS.0101 once"), *invented(9)])
    run, first = night.whole()
    for _ in range(2):
        order = partial(halts.cancel, order=night.order("cancel", run.run_id))
        assert night.redrive(run, during=lambda _, order=order: night.runtime.ledger.write(order)) == 1
        second = night.end(run)
        assert (second["state"], second["reasons"]) == ("stopped_cancelled", first["reasons"])


def test_what_an_older_version_staged_is_asked_and_redriven(nights: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    night = nights()
    night.people([*invented(3), fixed("504")])
    with monkeypatch.context() as older:
        older.setattr(draft, "CHUNKS", CHUNKS.remove(CHUNKS.get_field_index("known_us")))
        run = night.plan()
    night.verify(run)
    assert night.end(run)["records"]["outcomes"] == {"verified": 3, "in_doubt": 1}
    assert night.redrive(run, "in_doubt") == 1
    assert night.end(run)["revision"] == 2
    assert night.judge().counts["requests"] == 5


def test_chunks_of_open_records_are_kept_for_a_redrive_and_no_longer_than_the_profile_says(nights: Make) -> None:
    night = nights(limits={"chunk_records": 4})
    night.people([*invented(15), fixed("504")])
    run, _ = night.whole()
    assert chunks(night) == 1, "only the open record, not the others of its chunk"
    (kept,) = json.loads(night.runtime.ledger.run(run.run_id).kept_chunks)
    assert (kept["chunk"], kept["rows"]) == (3, 1)
    assert forget_staged(night.runtime) == []
    night.runtime.ledger.clock_us = lambda: run.created_us + 15 * 86_400_000_000
    assert forget_staged(night.runtime) == [run.run_id]
    assert chunks(night) == 0
    with pytest.raises(LedgerError, match="staged records of run .* are gone"):
        night.redrive(run, "in_doubt")
    assert len(night.runtime.ledger.doubts()) == 1, "nothing was decided"
    assert night.end(run)["revision"] == 1, "closing works without them"


def test_a_deletion_of_chunks_that_was_cut_short_is_done_when_they_are_too_old(
    nights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = nights()
    night.people(invented(3))

    def dies(*_: Any) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as killed:
        killed.setattr(Staging, "remove_parts", dies)
        with pytest.raises(OSError, match="killed here"):
            night.whole()
    run = night.plan()
    assert (run.state, chunks(night) > 0) == ("completed", True)
    night.runtime.ledger.clock_us = lambda: run.created_us + 15 * 86_400_000_000
    assert (forget_staged(night.runtime), chunks(night)) == ([run.run_id], 0)
    assert forget_staged(night.runtime) == []


def test_a_staging_store_that_was_emptied_holds_no_start_back(nights: Make) -> None:
    night = nights()
    night.people([*invented(3), fixed("504")])
    run, _ = night.whole()
    for path in (night.folder / "staging").rglob("*"):
        path.unlink() if path.is_file() else None
    night.runtime.ledger.clock_us = lambda: run.created_us + 15 * 86_400_000_000
    assert forget_staged(night.runtime) == [run.run_id]
    assert forget_staged(night.runtime) == []


def test_what_is_closed_while_somebody_takes_it_keeps_its_owner_and_its_chunks(
    nights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = nights()
    night.people([*invented(3), fixed("504")])
    run = night.plan()
    night.verify(run)
    before, other = chunks(night), Runtime(night.profile, night.runtime.secrets)

    def taken_meanwhile(*given: Any, **words: Any) -> Any:
        night.runtime.ledger.write(lambda c: c.execute(text("UPDATE runs SET owner = ''")))
        other.ledger.take(run.run_id, [])
        return reconcile(*given, **words)

    monkeypatch.setattr(closing, "reconcile", taken_meanwhile)
    with pytest.raises(RunBusyError, match="taken over"):
        night.end(run)
    held = night.runtime.ledger.run(run.run_id)
    assert (held.owner, held.state, chunks(night)) == (other.ledger.owner.name, "running", before)
    other.close()
    monkeypatch.undo()
    assert night.end(run)["revision"] == 1


def test_a_record_whose_call_elsewhere_came_to_nothing_may_be_asked_again(nights: Make) -> None:
    night = nights()
    night.people(invented(3))
    night.twin.faults({"fault": "reset_after", "match": {"nth": [2]}})
    night.whole()
    night.twin.faults()
    second, pointing = night.whole(business_date=dt.date(2026, 11, 25))
    assert pointing["records"]["outcomes"] == {"reused": 2, "in_doubt": 1}
    (doubt,) = night.runtime.ledger.doubts()
    call = Departure(**{one.name: getattr(doubt, one.name) for one in fields(Departure) if hasattr(doubt, one.name)})
    refused = Ending("refused", "refusal", "none", doubt.ended_us + 1, status=429)
    asyncio.run(night.runtime.ledger.end(call, refused, lambda _family, _calls: 0))
    assert night.redrive(second) == 1, "nothing is in its way any more"
    assert night.end(second)["records"]["outcomes"] == {"reused": 2, "verified": 1}


def test_a_profile_that_keeps_nothing_staged_keeps_no_chunk(nights: Make, tmp_path: Any) -> None:
    night = nights(privacy={"staging_days": 0})
    night.people([*invented(3), fixed("504")])
    night.whole()
    assert chunks(night) == 0


def test_a_run_under_way_is_not_redriven(nights: Make) -> None:
    night = nights()
    night.people([fixed("504")])
    run, _ = night.whole()
    other = Runtime(night.profile, night.runtime.secrets)
    other.ledger.take(run.run_id, [])
    with pytest.raises(RunBusyError, match="press again when it has ended"):
        night.redrive(run, "in_doubt")
    other.close()
    with pytest.raises(LedgerError, match="never closed"):
        night.redrive(run, "in_doubt")


def test_what_a_start_staged_that_died_while_planning_is_deleted_once_its_run_is_planned(
    nights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = nights()
    night.people(invented(3))
    with monkeypatch.context() as killed:
        killed.setattr(Staging, "remove", lambda *_: None)
        killed.setattr(night.runtime.ledger, "claim", lambda _: (_ for _ in ()).throw(OSError("killed here")))
        with pytest.raises(OSError, match="killed here"):
            night.plan()
    assert (forget_unclaimed(night.runtime), chunks(night)) == ([], 1), "it may be under way"
    run = night.plan()
    assert chunks(night) == 2
    (lost,) = forget_unclaimed(night.runtime)
    assert lost.startswith(run.run_id)
    assert (forget_unclaimed(night.runtime), chunks(night)) == ([], 1)
    night.verify(run)
    assert night.close(run).outcomes == {"verified": 3}
