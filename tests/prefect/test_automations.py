"""What Prefect does by itself: dead runs go on, expired approvals are closed, people are told, without a personal word."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.backfill import backfill
from flows.close import close
from flows.deploy import Registered, _automate
from tasks.records import State
from tests.conftest import Twin
from tests.people import invented
from tests.prefect.conftest import House
from tests.prefect.server import ROOT, Server, Worker, until
from tests.prefect.webhook import webhook

ENTRY = "flows/backfill.py:backfill"
ORDER = {"order": {"profile": "crash", "business_date": "2026-11-24"}}
FILE = yaml.safe_load((ROOT / "configs" / "automations.yaml").read_text(encoding="utf-8"))["automations"]


@pytest.fixture
def told(server: Server) -> Iterator[list[dict[str, Any]]]:
    """Register the block that the file asks for, and return the messages it gets."""
    with webhook() as (address, messages), temporary_settings({PREFECT_API_URL: server.api}):
        block = CustomWebhookNotificationBlock(name="ivs", url=address, json_data={"text": "{{subject}}\n{{body}}"})
        block.save("ivs-backfill", overwrite=True)
        yield messages


def registered(server: Server, house: House, *, within_s: float = 95) -> Registered:
    """Register the file as `deploy` does, with this house's `close`; a shorter wait for heartbeats in tests."""
    house.deployed(close, "flows/close.py:close")
    text = (
        yaml.safe_dump(FILE)
        .replace("close/close", f"close/{house.folder.name}")
        .replace("within: 95", f"within: {within_s}")
    )
    done = Registered("tests", [house.name])
    with temporary_settings({PREFECT_API_URL: server.api}):
        asyncio.run(_automate(yaml.safe_load(text), done))
    return done


def test_an_approval_that_expires_is_closed_and_everybody_is_told(
    server: Server, worker: Worker, told: list[dict[str, Any]], twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 40, 400, money={"approve_above": "1.00", "approve_within_hours": 0.0006})
    done = registered(server, house)
    assert not done.left_out
    assert len(done.automations) == len(FILE)
    flow_run = server.press(house.deployed(backfill, ENTRY), ORDER)
    assert server.ended(flow_run)["state"]["type"] == "FAILED"
    run = until(lambda: server.newest("close"), "nothing is closed")
    assert server.ended(run["id"])["state"]["name"] == "StoppedNotApproved", server.logs(run["id"])
    assert twin.journal() == []
    until(lambda: len(told) >= 3, f"nobody is told: {told}")
    said = "\n".join(str(one["text"]) for one in told)
    assert "waits for approval" in said
    assert "StoppedNotApproved" in said
    assert not [word for person in invented(40) for word in person if word in said]


def test_a_machine_that_dies_leaves_a_run_that_is_found_dead_and_goes_on(
    server: Server, worker: Worker, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 240, 60)
    registered(server, house, within_s=10)
    flow_run = server.press(house.deployed(backfill, ENTRY), ORDER)
    until(lambda: len(twin.journal()) >= 40, "no calls are made")
    worker.stop(signal.SIGKILL)
    for pid in pids_of(flow_run):
        os.kill(pid, signal.SIGKILL)
    server.heartbeat(flow_run)
    until(lambda: server.run(flow_run)["state"]["name"] in {"AwaitingRetry", "Late"}, "nobody finds it dead")
    worker.start()
    run = server.ended(flow_run)
    assert run["state"]["name"] in {"Completed", "CompletedWithExceptions"}, (run["state"], server.logs(flow_run))
    found = house.judge()
    assert found.clean, found


def test_every_end_of_a_run_counts_as_a_sign_of_life() -> None:
    (dead,) = [one for one in FILE if one["name"] == "ivs-dead-run"]
    ends = {"".join(word.capitalize() for word in state.value.split("_")) for state in State} - {"Planned", "Running"}
    assert {f"prefect.flow-run.{name}" for name in ends | {"Suspended", "Crashed", "Cancelled"}} <= {
        *dead["trigger"]["expect"]
    }


def pids_of(flow_run: str) -> list[int]:
    """Return the processes that run a flow run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"PREFECT__FLOW_RUN_ID={flow_run}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
