"""Whole nights against the real twin, judged by its journal."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import backfill
from flows.closing import close_now
from tasks.ledger import LedgerError, RunBusyError
from tasks.ledger.budget import run_scope
from tasks.reconcile.conserve import NotConservedError
from tasks.staging import StagingError
from tasks.storage import Missing
from tests.nights import Nights
from tests.people import fixed, invented

Make = Callable[..., Nights]


def test_every_row_ends_once_and_the_second_night_pays_for_nothing(nights: Make) -> None:
    night = nights()
    people = invented(60) + invented(5, 2, "2001") + [fixed("2999"), fixed("truncated"), fixed("IVS.0011")]
    night.people([*people, people[0], ("", people[1][1]), ("王无号", "440524188001010015")])
    _, first = night.night()
    assert first.outcomes == {
        "verified": 60, "mismatch": 5, "unknown_verdict": 1, "unreadable": 1, "failed": 1, "duplicate": 1, "rejected": 2,
    }  # fmt: skip
    billed = night.judge().counts["billed"]
    _, again = night.night(replan=True)
    assert again.outcomes["reused"] == 67
    assert again.outcomes["unreadable"] == 1
    found = night.judge()
    assert found.clean, str(found)
    assert found.counts["billed"] == billed == 67


def test_a_lost_answer_stays_in_doubt_and_is_not_asked_again(nights: Make) -> None:
    night = nights()
    night.people([*invented(5), fixed("reset after billing"), fixed("504")])
    _, first = night.night()
    assert first.outcomes == {"verified": 5, "in_doubt": 2}
    _, again = night.night(replan=True)
    assert again.outcomes == {"reused": 5, "in_doubt": 2}
    found = night.judge()
    assert found.clean, str(found)
    assert found.counts["requests"] == 7


def test_a_service_error_is_retried_with_a_new_call(nights: Make) -> None:
    night = nights()
    night.people([fixed("IVS.0101 once")])
    run, found = night.night()
    assert found.outcomes == {"verified": 1}
    calls = night.runtime.ledger.calls_of(run.run_id, list(night.refs()))
    assert [call.state for call in calls] == ["refused", "answered"]
    assert len({call.call_id for call in calls}) == 2


def test_a_service_that_keeps_failing_is_given_up_and_asked_again_next_night(nights: Make) -> None:
    night = nights(limits={"attempts": 3})
    night.people([fixed("IVS.0101")])
    _, first = night.night()
    assert first.outcomes == {"failed": 1}
    assert len(night.twin.journal()) == 3
    night.night(replan=True)
    assert len(night.twin.journal()) == 6
    assert night.judge().clean


def test_throttling_slows_the_run_and_loses_nothing(nights: Make) -> None:
    night = nights(limits={"rate_per_s": {"two_factor": 60, "three_factor": 60}})
    night.twin.control("PUT", "/quota", {"family": "two_factor", "limit": 40, "burst": 3})
    night.people(invented(80))
    _, found = night.night()
    assert found.outcomes == {"verified": 80}
    assert any(row["status"] == 429 for row in night.twin.journal())
    assert night.judge().clean


def test_the_first_signature_failure_stops_the_run(nights: Make) -> None:
    night = nights()
    night.people(invented(40))
    from tasks.settings import Secrets
    from tests.conftest import KEY

    wrong = {"ACCESS_KEY": night.twin.at.access_key.reveal(), "SECRET_KEY": "wrong", "PSEUDONYM_KEYS": f"test:{KEY}"}
    night.runtime.secrets = Secrets({f"IVS_BACKFILL_{name}": value for name, value in wrong.items()})
    run, found = night.night()
    assert found.outcomes == {"not_attempted": 40}
    assert night.runtime.ledger.run(run.run_id).stop == "account"
    assert len(night.twin.journal()) == 1


def test_a_wrong_password_stops_the_run_after_one_try(nights: Make) -> None:
    night = nights()
    account = {
        "auth": "token",
        "domain": "simulated-account",
        "user": "simulated-user",
        "iam_endpoint": night.twin.at.iam,
    }
    account |= {"endpoint": night.twin.at.ivs, "project_id": night.twin.at.project_id}
    night = nights(account=account)
    night.people(invented(20))
    from tasks.settings import Secrets
    from tests.conftest import KEY

    night.runtime.secrets = Secrets({"IVS_BACKFILL_PASSWORD": "wrong", "IVS_BACKFILL_PSEUDONYM_KEYS": f"test:{KEY}"})
    run, found = night.night()
    assert found.outcomes == {"not_attempted": 20}
    assert night.runtime.ledger.run(run.run_id).stop == "account"
    assert night.twin.journal() == []


def test_a_token_that_ends_in_mid_run_is_renewed_once_and_nothing_is_lost(nights: Make) -> None:
    account = {"auth": "token", "domain": "simulated-account", "user": "simulated-user"}
    night = nights()
    at = night.twin.at
    night = nights(account=account | {"endpoint": at.ivs, "project_id": at.project_id, "iam_endpoint": at.iam})
    night.twin.faults({"fault": "token_expired", "match": {"operation": "id2_text", "nth": [5, 6, 7]}})
    night.people(invented(30))
    _, found = night.night()
    assert found.outcomes == {"verified": 30}
    assert night.judge().clean


@pytest.mark.parametrize("wanted", [{"cap_run": "10.00"}, {"cap_run_calls": 20}])
def test_a_cap_is_never_passed_and_stops_cleanly(nights: Make, wanted: dict[str, object]) -> None:
    night = nights(money=wanted)
    night.people(invented(50))
    run, found = night.night()
    assert found.outcomes == {"verified": 20, "not_attempted": 30}
    assert found.reasons == {"budget": 30}
    booked = night.runtime.ledger.booked(run_scope(run.run_id))
    assert booked is not None
    assert booked.certain_micros == 10_000_000
    assert night.judge().clean


def test_a_stopped_run_goes_on_where_it_stopped(nights: Make) -> None:
    night = nights(limits={"in_flight": 4})
    night.people(invented(60))
    run = night.plan()

    def stop_soon(one: object) -> None:
        async def stop() -> None:
            while one.progress.sent < 20:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)
            await one.gate.stop("cancelled")  # type: ignore[attr-defined]

        night.task = asyncio.ensure_future(stop())  # type: ignore[attr-defined]

    night.verify(run, stop_soon)
    assert night.close(run).outcomes["not_attempted"] > 0
    night.verify(night.plan())
    assert night.close(run).outcomes == {"verified": 60}
    assert night.judge().clean
    assert len(night.twin.journal()) == 60


def test_halt_lets_no_call_leave(nights: Make) -> None:
    night = nights()
    night.people(invented(10))
    night.runtime.ledger.halt("test")
    _, found = night.night()
    assert found.outcomes == {"not_attempted": 10}
    assert found.reasons == {"halted": 10}
    assert night.twin.journal() == []


def test_a_provider_that_stays_silent_stops_the_run(nights: Make) -> None:
    night = nights(limits={"breaker": {"in_a_row": 3, "in_a_run": 20, "pause_s": 0.05}, "in_flight": 1})
    night.twin.faults({"fault": "reset_after"})
    night.people(invented(30))
    run, found = night.night()
    assert night.runtime.ledger.run(run.run_id).stop == "provider"
    assert 3 <= found.outcomes["in_doubt"] <= 5
    assert night.judge().clean


def test_a_canary_slice_stops_a_wrong_night_while_it_is_cheap(nights: Make) -> None:
    night = nights(limits={"canary": {"records": 10, "most_not_verified_pct": 50}})
    night.people(invented(100, 3, "2001"))
    run, found = night.night()
    assert night.runtime.ledger.run(run.run_id).stop == "canary"
    assert found.outcomes == {"mismatch": 10, "not_attempted": 90}


def test_the_first_record_goes_alone(nights: Make) -> None:
    night = nights()
    night.twin.faults({"fault": "latency", "match": {"nth": 1}, "args": {"seconds": 0.5}})
    night.people(invented(20))
    night.night()
    first, second, *_ = night.twin.journal()
    assert second["received_at"] > first["answered_at"]


def test_a_run_with_a_living_owner_is_refused(nights: Make) -> None:
    night = nights()
    night.people(invented(3))
    run = night.plan()
    from tasks.runtime import Runtime

    other = Runtime(night.profile, night.runtime.secrets)
    other.ledger.take(run.run_id, [])
    with pytest.raises(RunBusyError, match="under way in another process"):
        night.verify(run)
    other.close()
    night.verify(run)
    assert night.close(run).outcomes == {"verified": 3}


def test_a_limit_takes_the_first_rows_only(nights: Make) -> None:
    night = nights()
    night.people(invented(30))
    run = night.plan(limit=7)
    night.verify(run)
    assert sum(night.close(run).outcomes.values()) == 7
    assert len(night.twin.journal()) == 7


def test_a_pilot_does_not_go_on_with_a_plan_of_everybody(nights: Make) -> None:
    night = nights()
    night.people(invented(9))
    night.plan()
    with pytest.raises(LedgerError, match="planned for all rows: add --replan"):
        night.plan(limit=3)
    pilot = night.plan(limit=3, replan=True)
    assert night.plan(limit=3) == night.plan() == pilot
    night.verify(pilot)
    assert len(night.twin.journal()) == 3


def test_a_finished_pilot_is_not_the_night(nights: Make) -> None:
    night = nights()
    night.people(invented(9))
    pilot = night.plan(limit=3)
    night.verify(pilot)
    with tempfile.TemporaryDirectory() as folder:
        close_now(night.runtime, pilot.run_id, Path(folder))
    assert night.plan(limit=3).run_id == pilot.run_id, "asked for again, it is that run"
    whole = night.plan()
    assert (whole.sequence, night.plan().run_id) == (2, whole.run_id)
    night.verify(whole)
    assert len(night.twin.journal()) == 9


@pytest.mark.parametrize(
    "wrong",
    [RunBusyError("taken"), NotConservedError("sums"), StagingError("gone"), Missing("staging", "get", "no such file")],
)
async def test_an_earlier_run_that_cannot_be_closed_does_not_stop_tonights(
    nights: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: Exception
) -> None:
    night = nights()
    night.people(invented(1))
    run = night.plan()

    async def close_run(_profile: str, _run: Any) -> None:
        raise wrong

    monkeypatch.setattr(backfill, "close_run", close_run)
    monkeypatch.setattr(backfill, "get_run_logger", lambda: logging.getLogger("test"))
    await backfill._close_if_possible(night.profile.name, run)
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == (
        [] if isinstance(wrong, RunBusyError) else [f"run {run.run_id} can't be closed: {wrong}"]
    )
