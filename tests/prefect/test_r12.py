"""Prefect's own parts fail in the middle of a night: each run resumes or ends clean, and nothing is lost or paid twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from flows.backfill import backfill
from tests.conftest import Twin
from tests.crash import driver
from tests.prefect.conftest import House
from tests.prefect.server import Server, Worker, pids_of, until

ENTRY = "flows/backfill.py:backfill"
ORDER = {"order": {"profile": "crash", "business_date": "2026-11-24"}}


def started(house: House, requests: int) -> str:
    """Run a night in the UI, and return its flow run once some calls have been made."""
    flow_run = house.server.press(house.deployed(backfill, ENTRY, supervised=True), ORDER)
    until(lambda: len(house.twin.journal()) >= requests, "no calls are made")
    return flow_run


def test_a_server_that_is_killed_and_comes_back_costs_a_night_nothing(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 240, 40)
    flow_run = started(house, 30)
    server.stop(signal.SIGKILL)
    asked = len(twin.journal())
    until(lambda: len(twin.journal()) >= min(asked + 100, 240), "the night stands still without its server")
    server.start()
    run = server.ended(flow_run)
    assert run["state"]["name"] == "Completed", (run["state"], server.logs(flow_run))
    assert house.judge().clean
    assert len(twin.journal()) == 240


def test_a_cancelled_night_drains_writes_results_and_goes_on_when_retry_is_pressed(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 240, 60, limits={"drain_s": 2})
    flow_run = started(house, 30)
    twin.faults({"fault": "latency", "args": {"seconds": 14}})
    until(lambda: driver.held_back(tmp_path) == driver.IN_FLIGHT, "no call is held back")
    server.set_state(flow_run, "CANCELLING")
    until(lambda: server.run(flow_run)["state"]["name"] == "Cancelled", "it is not cancelled within the half minute")
    twin.faults()
    found = house.judge()
    assert found.clean, found
    assert 0 < found.counts["in doubt"] <= driver.IN_FLIGHT, found
    until(lambda: not pids_of(flow_run), "its process stays")
    asked = len(twin.journal())
    server.set_state(flow_run, "SCHEDULED", "AwaitingRetry")
    run = server.ended(flow_run)
    assert run["state"]["name"] == "CompletedWithExceptions", (run["state"], server.logs(flow_run))
    assert run["run_count"] == 2
    assert asked < len(twin.journal())
    until(lambda: len(twin.journal()) == 240, "something was asked twice, or answers held back never come")
    assert house.judge().clean


def test_what_a_person_cancelled_stays_cancelled_when_its_dead_run_is_started_again(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    """The automation that starts a crashed run again knows nothing of the decision; the ledger does."""
    house = House(server, twin, tmp_path, 240, 60)
    flow_run = started(house, 20)
    os.kill(house.owner(), signal.SIGKILL)
    assert server.ended(flow_run)["state"]["type"] == "CRASHED"
    asked = len(twin.journal())
    with house.terminal() as press:
        (run,) = press("runs", house.name, "--json")["runs"]
        told = press("cancel", house.name, run["run_id"], "--who", "Li", "--why", "because", "--json")
        assert (told["under_way"], told["closed"][0]["state"]) == (False, "stopped_cancelled")
        closed = press("close", house.name, run["run_id"], "--json", code=4)
        assert closed["records"]["total"] == house.records
        assert closed["revision"] == told["closed"][0]["revision"] == 1, "closed twice: the same revision"
        until(lambda: server.events("prefect.worker.executed-flow-run", about=flow_run), "its worker says it once more")
        server.set_state(flow_run, "SCHEDULED", "AwaitingRetry")
        assert server.ended(flow_run)["state"]["name"] == "StoppedCancelled", server.logs(flow_run)
        assert len(twin.journal()) == asked
        until(lambda: any("a new start goes on" in line for line in server.logs(flow_run)), "its page does not say why")
        again = press("run", house.name, "--date", "2026-11-24", "--json", code=3)
        assert (again["run_id"], again["state"]) == (run["run_id"], "completed_with_exceptions"), "a new press goes on"
    assert house.judge().clean
