"""What Prefect does by itself: dead runs go on, expired approvals are closed, people are told, without a personal word."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.backfill import backfill
from flows.progress import THROTTLED
from tasks.records import State
from tests.conftest import Twin
from tests.people import invented
from tests.prefect.conftest import House
from tests.prefect.server import AUTOMATIONS, Server, Worker, pids_of, until
from tests.prefect.webhook import webhook

pytestmark = pytest.mark.usefixtures("forgotten")
SHANGHAI = ZoneInfo("Asia/Shanghai")
MISSING_S = 10
ENTRY = "flows/backfill.py:backfill"
ORDER = {"order": {"profile": "crash", "business_date": "2026-11-24"}}


@pytest.fixture
def told(server: Server) -> Iterator[list[dict[str, Any]]]:
    """Register the block that the file asks for, and return the messages it gets."""
    with webhook() as (address, messages), temporary_settings({PREFECT_API_URL: server.api}):
        block = CustomWebhookNotificationBlock(name="ivs", url=address, json_data={"text": "{{subject}}\n{{body}}"})
        block.save("ivs-backfill", overwrite=True)
        yield messages


def test_an_approval_that_expires_is_closed_and_everybody_is_told(
    server: Server, worker: Worker, told: list[dict[str, Any]], twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 40, 400, money={"approve_above": "1.00", "approve_within_hours": 0.0006})
    done = house.automated()
    assert not done.left_out
    assert len(done.automations) == len(AUTOMATIONS)
    flow_run = server.press(house.deployed(backfill, ENTRY), ORDER)
    assert server.ended(flow_run)["state"]["type"] == "FAILED"
    run = until(lambda: server.newest("close", house.folder.name), "nothing is closed")
    assert server.ended(run["id"])["state"]["name"] == "StoppedNotApproved", server.logs(run["id"])
    assert twin.journal() == []
    until(lambda: said_by(told, "waits for approval"), f"nobody is told: {told}")
    until(lambda: said_by(told, "the run failed"), f"nobody is told: {told}")
    until(lambda: said_by(told, "StoppedNotApproved"), f"nobody is told: {told}")
    assert not personal(told)


def test_a_machine_that_dies_leaves_a_run_that_is_found_dead_told_and_goes_on(
    server: Server, worker: Worker, told: list[dict[str, Any]], twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 240, 60)
    house.automated(dead_run=10, start_again=10)
    flow_run = server.press(house.deployed(backfill, ENTRY, supervised=True), ORDER)
    until(lambda: len(twin.journal()) >= 40, "no calls are made")
    worker.stop(signal.SIGKILL)
    for pid in pids_of(flow_run):
        os.kill(pid, signal.SIGKILL)
    server.heartbeat(flow_run, ago_s=8)
    until(lambda: server.run(flow_run)["state"]["name"] in {"AwaitingRetry", "Late"}, "nobody finds it dead")
    house.automated()  # ten seconds without a heartbeat are a sign of death no longer: it beats every thirty
    worker.start()
    run = server.ended(flow_run)
    assert run["state"]["name"] in {"Completed", "CompletedWithExceptions"}, (run["state"], server.logs(flow_run))
    until(lambda: said_by(told, "the run failed") and said_by(told, run["state"]["name"]), f"nobody is told: {told}")
    assert not personal(told)
    found = house.judge()
    assert found.clean, found


def test_a_night_that_is_late_missing_throttled_or_stopped_by_its_cap_is_told(
    server: Server, worker: Worker, told: list[dict[str, Any]], twin: Twin, tmp_path: Path
) -> None:
    """The file's own triggers, but for the 26 hours without a night, which are ten seconds here."""
    house = House(server, twin, tmp_path, 90, 200, money={"cap_run": "40.00"})
    house.automated(tell_missing=MISSING_S)
    worker.stop()
    midnight = dt.datetime.now(SHANGHAI).replace(hour=0, minute=30) - dt.timedelta(days=2)
    flow_run = server.press(house.deployed(backfill, ENTRY, "nightly"), {"order": {"profile": house.name}}, midnight)
    until(lambda: said_by(told, "is a worker there?"), f"nobody is told of a late run: {told}")

    twin.control("PUT", "/quota", {"limit": 30, "window_s": 1, "burst": 1})
    worker.start()
    run = server.ended(flow_run)
    assert run["name"] == f"backfill · {house.name} · {midnight.date()} · 90 条 records", "the date it was due"
    assert house.judge().clean
    assert 60 < len([row for row in twin.journal() if row["billed"]]) <= 80, "as many as the cap allows"
    until(lambda: said_by(told, "StoppedBudget"), f"nobody is told of the cap: {told}")

    (sent, *_) = until(lambda: server.events(THROTTLED, of=flow_run), "the flow does not say that it is throttled")
    assert sent["payload"].keys() == {"refused", "run_id"}
    assert not said_by(told, "throttled for long"), "one such minute is no news"
    again = [sent | {"id": str(uuid4()), "occurred": dt.datetime.now(dt.UTC).isoformat()} for _ in range(9)]
    server.call("POST", "/events", again)
    until(lambda: said_by(told, "throttled for long"), f"nobody is told of ten such minutes: {told}")

    ran = dt.datetime.fromisoformat(run["start_time"]).timestamp()
    over = dt.datetime.fromisoformat(run["end_time"]).timestamp()
    missing = until(lambda: [at for at in said_by(told, "no nightly run") if at > over], "nobody misses the next night")
    assert missing[0] >= ran + MISSING_S - 1, "a night that began is not missing"
    assert not personal(told)


def test_a_run_called_dead_that_lives_is_joined_by_its_second_start(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 240, 60)
    flow_run = server.press(house.deployed(backfill, ENTRY), ORDER)
    until(lambda: len(twin.journal()) >= 20, "no calls are made")
    twin.faults({"fault": "latency", "args": {"seconds": 3}})
    server.set_state(flow_run, "CRASHED", "Crashed", force=True)
    server.set_state(flow_run, "SCHEDULED", "AwaitingRetry")
    until(lambda: any("ending as it ends" in line for line in server.logs(flow_run)), "no second start waits")
    asked = len(twin.journal())
    twin.faults()
    run = server.ended(flow_run)
    assert (run["state"]["name"], run["run_count"]) == ("Completed", 2), (run["state"], server.logs(flow_run))
    assert asked < len(twin.journal()) == 240, "asked by the first, while the second waited"
    until(lambda: not pids_of(flow_run), "a process is left")
    assert server.run(flow_run)["state"]["name"] == "Completed"
    assert house.judge().clean


@pytest.mark.parametrize("name", ["ivs-dead-run", "ivs-start-again"])
def test_every_end_of_a_run_is_no_death_and_needs_no_new_start(name: str) -> None:
    (dead,) = [one for one in AUTOMATIONS if one["name"] == name]
    ends = {"".join(word.capitalize() for word in state.value.split("_")) for state in State} - {"Planned", "Running"}
    assert {f"prefect.flow-run.{name}" for name in ends | {"Suspended", "Crashed", "Cancelled"}} <= {
        *dead["trigger"]["expect"]
    }


def said_by(told: list[dict[str, Any]], words: str) -> list[float]:
    """Return the moments of the messages that say something."""
    return [one["at"] for one in told if words in one["text"]]


def personal(told: list[dict[str, Any]]) -> list[str]:
    """Return what is personal in the messages."""
    said = "\n".join(str(one["text"]) for one in told)
    return [word for person in invented(400) for word in person if word in said]
