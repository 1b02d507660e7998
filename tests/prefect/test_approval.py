"""A plan above `approve_above` waits in the UI for a person, by its hash; nothing leaves before that."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from flows.approval import Verdict, form_of
from flows.backfill import backfill
from flows.beforehand import approve, sign
from tasks.approve import approved_cap, decide
from tests.conftest import Twin
from tests.judge import rows_of
from tests.nights import Nights
from tests.people import invented
from tests.prefect.conftest import House
from tests.prefect.server import Server, Worker, until

Make = Callable[..., Nights]
ENTRY = "flows/backfill.py:backfill"
ORDER = {"order": {"profile": "crash", "business_date": "2026-11-24", "replan": True}}
"""Planning again, which must not plan once more when the answered form starts the flow from its top."""


def said(server: Server, flow_run: str, form: dict[str, Any]) -> dict[str, Any]:
    return dict(server.call("POST", f"/flow_runs/{flow_run}/resume", {"run_input": form}))


def asked(server: Server, flow_run: str) -> str:
    """Wait until a flow run asks a person, and return what its form says."""
    return str(until(lambda: server.form(flow_run), "no form"))


def decided(house: House) -> list[tuple[str, str]]:
    """Return what was decided and by whom, oldest first."""
    kept = rows_of(house.folder / "home" / "ledger.sqlite", "decisions")
    return [(one["kind"], one["who"]) for one in sorted(kept, key=lambda one: one["at_us"])]


def test_a_form_takes_no_other_hash_and_a_plan_approved_elsewhere_goes_on_in_a_fresh_process(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 40, 400, money={"approve_above": "1.00"})
    with house.terminal() as press:
        flow_run = server.press(house.deployed(backfill, ENTRY), ORDER)
        (shown,) = re.findall(r"`([0-9a-f]{8}(?: [0-9a-f]{8}){7})`", asked(server, flow_run))
        assert twin.journal() == []
        for wrong in ({}, {"decision": "maybe"}, {"plan_hash": "00000000"}, {"name": ""}):
            form = {"decision": "approve", "plan_hash": shown[:8], "name": "checker", "reason": "test", **wrong}
            form = form if wrong else {}
            assert said(server, flow_run, form)["status"] == "REJECT", wrong
        press("approve", house.name, shown[:8], "--who", "checker", "--json")
    run = server.ended(flow_run)
    assert run["state"]["name"] == "Completed", server.logs(flow_run)
    assert len(twin.journal()) == 40
    assert house.judge().clean
    assert decided(house) == [("approve", "checker")]


def test_what_is_said_on_the_form_counts_though_an_envelope_was_signed_meanwhile(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 40, 400, money={"approve_above": "1.00"})
    who = {"profile": house.name, "reason": "forecast of the afternoon", "name": "checker"}
    flow_run = server.press(house.deployed(backfill, ENTRY), ORDER)
    asked(server, flow_run)
    (shown,) = re.findall("`([0-9a-f]{64})`", str(server.artifacts(flow_run)[f"plan-{house.name}"]))

    deployed, terms = house.deployed(sign, "flows/beforehand.py:sign"), who | {"business_date": "2026-11-24"}
    over = {"most_records": 40, "most_money": "20.00", "until": "2099-12-31"}
    for wrong in ({"most_money": "20,00"}, {"most_records": 0}, {"until": "soon"}):
        order = {"order": terms | over | wrong}
        assert server.refusal(f"/deployments/{deployed}/create_flow_run", {"parameters": order})
    signed = server.ended(server.press(deployed, {"order": terms | over}))
    assert signed["state"]["name"] == "Signed", server.logs(signed["id"])

    said(server, flow_run, {"decision": "reject", "plan_hash": shown[:8], "name": "B", "reason": "wrong population"})
    assert server.ended(flow_run)["state"]["name"] == "StoppedNotApproved", server.logs(flow_run)
    assert (decided(house), twin.journal()) == ([("envelope", "checker"), ("reject", "B")], [])

    word = {"order": who | {"plan_hash": shown[:8], "decision": "approve"}}
    approved = server.ended(server.press(house.deployed(approve, "flows/beforehand.py:approve"), word))
    assert approved["state"]["name"] == "Approved", server.logs(approved["id"])
    server.set_state(flow_run, "SCHEDULED", "AwaitingRetry")
    assert server.ended(flow_run)["state"]["name"] == "Completed", "B's word on its form is not given once more"
    assert len(twin.journal()) == 40
    assert decided(house) == [("envelope", "checker"), ("reject", "B"), ("approve", "checker")]


def test_the_newest_word_about_a_plan_counts(nights: Make) -> None:
    night = nights(money={"approve_above": "1.00"})
    night.people(invented(10))
    run, ledger, money = night.plan(), night.runtime.ledger, night.profile.money
    assert approved_cap(ledger, run, money) is None
    for kind, cap in (("approve", 5_000_000), ("reject", None), ("approve", 5_000_000)):
        decide(ledger, run.plan_hash, kind, who="checker", why="test")
        assert approved_cap(ledger, run, money) == cap
    decide(ledger, "another plan's hash", "reject", who="checker", why="test")
    assert approved_cap(ledger, run, money) == 5_000_000


def test_a_rejected_plan_does_not_approve_itself(nights: Make) -> None:
    night = nights()
    night.people(invented(10))
    run = night.plan()
    decide(night.runtime.ledger, run.plan_hash, "reject", who="checker", why="wrong population")
    assert approved_cap(night.runtime.ledger, run, night.profile.money) is None


@pytest.mark.parametrize(
    "wrong", [{"plan_hash": "12345679"}, {"plan_hash": "123456789"}, {"name": ""}, {"decision": ""}]
)
def test_the_form_takes_no_other_plan_and_no_nameless_word(wrong: dict[str, str]) -> None:
    form = form_of(SimpleNamespace(plan_hash="12345678" * 8), "the card")
    right = {"decision": "approve", "plan_hash": "12345678", "name": "checker", "reason": "test"}
    assert form.model_validate(right).decision is Verdict.APPROVE
    with pytest.raises(ValidationError):
        form.model_validate({**right, **wrong})
