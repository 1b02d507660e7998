"""Calls in doubt are settled in the UI: the ledger keeps who and why, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from flows.settle import Settle, decided
from tasks.ledger import LedgerError
from tests.conftest import Twin
from tests.flows.test_night import Make
from tests.people import invented
from tests.prefect.conftest import House
from tests.prefect.server import Server, Worker

WORD = {"profile": "demo", "decision": "write-off", "reason": "the bill shows none", "name": "checker"}


def test_doubts_are_written_off_and_a_run_is_made_void_in_the_ui_and_each_gets_its_next_revision(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    from flows.settle import settle
    from flows.void import void

    house = House(server, twin, tmp_path, 60, 400)
    twin.faults({"fault": "reset_after", "match": {"nth": [20, 40]}})
    assert house.press("run", house.name, "--date", "2026-11-24", "--json").returncode == 3, house.log
    first = house.out
    order = WORD | {"profile": house.name, "run_id": first["run_id"]}
    run = server.ended(server.press(house.deployed(settle, "flows/settle.py:settle"), {"order": order}))
    assert (run["state"]["name"], run["state"]["message"]) == ("Settled", "2 calls settled, 0 still wait")
    results = tmp_path / "results" / first["run_id"]
    outcomes = pq.read_table(results / "r2" / "results.parquet").column("outcome").to_pylist()
    assert (outcomes.count("failed"), outcomes.count("verified")) == (2, 58)

    order = {name: text for name, text in order.items() if name != "decision"}
    run = server.ended(server.press(house.deployed(void, "flows/void.py:void"), {"order": order}))
    assert run["state"]["name"] == "Voided", run["state"]
    assert run["state"]["message"] == "void: 60 calls; next revisions written: 1"
    assert set(pq.read_table(results / "r3" / "results.parquet").column("voided").to_pylist()) == {"yes"}
    shown = server.artifacts(run["id"])[f"results-{house.name}"]
    assert not [word for person in invented(60) for word in person if word in str(shown)]
    assert house.judge().clean


def test_a_decision_names_calls_or_a_run_and_settles_nothing_otherwise(nights: Make) -> None:
    night = nights()
    night.twin.faults({"fault": "reset_after", "match": {"nth": 5}})
    night.people(invented(10))
    run, _ = night.night()
    waiting = [row.call_id for row in night.runtime.ledger.doubts()]
    for wrong in ({}, {"call_ids": waiting, "run_id": run.run_id}, {"call_ids": ["0" * 32]}):
        with pytest.raises(LedgerError):
            decided(night.runtime, Settle.model_validate(WORD | wrong))
        assert len(night.runtime.ledger.doubts()) == 1
    assert decided(night.runtime, Settle.model_validate(WORD | {"call_ids": waiting})) == waiting
    assert night.runtime.ledger.doubts() == []


@pytest.mark.parametrize(
    "wrong", [{"decision": "maybe"}, {"call_ids": ["440524188001010010"]}, {"reason": "440524188001010010"}]
)
def test_the_form_takes_no_id_number_and_no_other_decision(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settle.model_validate(WORD | wrong)
