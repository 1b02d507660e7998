"""Changing the pseudonym key: what was answered or is in doubt under an older key is still found."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tasks.ledger.runs import plan_of
from tasks.runtime import Runtime
from tasks.settings import Secrets
from tasks.staging import StagingError
from tests.conftest import KEY, Twin, secrets_for
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]
NEW = f"new:{base64.b64encode(b'n' * 32).decode()}"


def with_keys(night: Nights, twin: Twin, *keys: str) -> None:
    """Open the night's runtime again under other keys, newest first."""
    night.runtime.close()
    held: Any = secrets_for(twin.at)
    night.runtime = Runtime(
        night.profile, Secrets({**held._environment, "IVS_BACKFILL_PSEUDONYM_KEYS": ",".join(keys)})
    )


def test_answers_given_under_an_older_key_are_relied_on(nights: Make, twin: Twin) -> None:
    night = nights()
    night.people(invented(6))
    night.night()
    with_keys(night, twin, NEW, f"test:{KEY}")
    night.people(invented(8))
    run, found = night.night(replan=True)
    assert found.outcomes == {"reused": 6, "verified": 2}
    assert {row["relied_on_run"] for row in night.results[run.run_id].to_pylist() if row["outcome"] == "reused"} == {
        next(iter(night.results))
    }
    again, found = night.night(replan=True)
    assert found.outcomes == {"reused": 8}
    assert night.judge().clean
    assert again.sequence == 3


def test_a_doubt_under_an_older_key_is_not_asked_again(nights: Make, twin: Twin) -> None:
    night = nights()
    night.people(invented(3))
    twin.faults({"fault": "reset_after", "match": {"nth": 2}})
    _, found = night.night()
    assert found.outcomes == {"verified": 2, "in_doubt": 1}
    twin.faults()
    with_keys(night, twin, NEW, f"test:{KEY}")
    run, found = night.night(replan=True)
    assert found.outcomes == {"reused": 2, "in_doubt": 1}
    assert sum(row.n for row in night.runtime.ledger.counts(run.run_id)) == 0
    assert night.judge().clean


@pytest.mark.parametrize("first", ["before", "after"])
def test_a_plan_of_before_the_change_and_one_of_after_ask_nobody_twice(nights: Make, twin: Twin, first: str) -> None:
    night = nights()
    night.people(invented(3))
    plans = {"before": night.plan()}
    with_keys(night, twin, NEW, f"test:{KEY}")
    plans["after"] = night.plan(business_date=dt.date(2026, 11, 25))
    twin.faults({"fault": "reset_after", "match": {"nth": 2}})
    night.verify(plans.pop(first))
    twin.faults()
    (second,) = plans.values()
    night.verify(second)
    assert night.close(second).outcomes == {"reused": 2, "in_doubt": 1}
    assert len(twin.journal()) == 3


def test_an_answer_under_an_older_key_that_was_too_old_when_planned_is_not_relied_on(nights: Make, twin: Twin) -> None:
    night = nights(policy={"reverify_days": {"verified": 0}})
    night.people(invented(2))
    night.night()
    with_keys(night, twin, NEW, f"test:{KEY}")
    _, found = night.night(replan=True)
    assert (found.outcomes, len(twin.journal())) == ({"verified": 2}, 4)


def test_a_plan_sealed_under_an_older_key_is_opened_while_that_key_is_held(nights: Make, twin: Twin) -> None:
    night = nights()
    night.people(invented(3))
    run = night.plan()
    with_keys(night, twin, NEW)
    plan = plan_of(run)
    with pytest.raises(StagingError, match="another key"):
        staged(night, plan)
    with_keys(night, twin, NEW, f"test:{KEY}")
    assert staged(night, plan) == 3
    night.verify(run)
    assert night.close(run).outcomes == {"verified": 3}


def staged(night: Nights, plan: Any) -> int:
    staging = night.runtime.staging(plan["staging"])
    return sum(staging.read(part).num_rows for part in staging.manifest(plan["manifest_sha256"]).rows)
