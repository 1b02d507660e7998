"""One file says how flows can be pressed; registering it is safe to repeat and loses no night."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy import Registered, _automate, _filled
from tests.prefect.server import ROOT, Server
from tests.prefect.test_forms import FLOWS

pytestmark = pytest.mark.usefixtures("forgotten")
FILE = yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS = FILE["deployments"]


def each(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, DEPLOYMENTS, ids=[one["name"] for one in DEPLOYMENTS])


def test_every_flow_has_a_deployment_and_every_deployment_a_flow() -> None:
    assert {one["entrypoint"] for one in DEPLOYMENTS} == FLOWS.keys()
    names = [(one["entrypoint"], one["name"]) for one in DEPLOYMENTS]
    assert len(names) == len(set(names))


@each("deployment")
def test_no_deployment_loses_a_night_or_takes_a_form_unseen(deployment: dict[str, Any]) -> None:
    assert deployment["enforce_parameter_schema"] is True
    assert deployment["work_pool"] == {
        "name": "ivs-backfill",
        "work_queue_name": deployment["work_pool"]["work_queue_name"],
    }
    limit = deployment.get("concurrency_limit")
    assert limit == {"limit": 1, "collision_strategy": "ENQUEUE"} or "halt.py" in deployment["entrypoint"]
    assert "ivs" in deployment["tags"]


@each("deployment")
def test_every_deployment_says_what_it_does_in_both_languages(deployment: dict[str, Any]) -> None:
    chinese, english = deployment["description"].strip().split("\n\n")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert english.isascii()


def test_the_night_starts_at_ten_in_the_evening_in_shanghai() -> None:
    (nightly,) = [one for one in DEPLOYMENTS if "schedules" in one]
    assert nightly["schedules"] == [
        {"slug": "nightly", "cron": "0 22 * * *", "timezone": "Asia/Shanghai", "active": True}
    ]


def test_workers_find_the_code_where_deploy_is_told() -> None:
    filled = _filled(deepcopy(FILE), Registered("night-pool", ["demo"]), Path("/srv/ivs"))
    assert filled["pull"] == [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv/ivs"}}]
    assert {one["work_pool"]["name"] for one in filled["deployments"]} == {"night-pool"}
    said = {str(one["parameters"]) for one in filled["deployments"]}
    assert said == {"{'order': {'profile': 'demo'}}", "{'word': {'profile': 'demo'}}", "{'profile': 'demo'}"}


def test_without_a_server_it_says_what_to_set(server: Server) -> None:
    del server  # only its settings' absence matters
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PREFECT_HOME": "/tmp/none", "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "flows.cli", "deploy"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "set PREFECT_API_URL" in done.stderr


async def test_an_automation_is_registered_once_and_waits_for_its_block(server: Server) -> None:
    def wanted(description: str, *actions: dict[str, Any]) -> list[dict[str, Any]]:
        trigger = {
            "type": "event",
            "posture": "Reactive",
            "expect": ["prefect.flow-run.Failed"],
            "threshold": 1,
            "within": 0,
        }
        named = {"name": "tell", "description": description, "trigger": trigger}
        return [named | {"actions": [dict(action) for action in actions]}]

    nothing, hook = {"type": "do-nothing"}, {"type": "call-webhook", "block": "webhook/nobody-made-this", "payload": ""}
    with temporary_settings({PREFECT_API_URL: server.api}):
        seen = []
        for description in ("first", "second", "second"):
            done = Registered("pool", [])
            await _automate(wanted(description, nothing), done)
            assert done.automations == ["tell"]
            seen += server.call("POST", "/automations/filter", {})
        assert seen[0]["trigger"] != seen[1]["trigger"]
        assert seen[1] == seen[2], "left alone: a new trigger would forget what it waits for"
        waits = Registered("pool", [])
        await _automate(wanted("third", hook), waits)
    assert waits.left_out == ["tell: block webhook/nobody-made-this is not there"]
    held = server.call("POST", "/automations/filter", {})
    assert [one["description"] for one in held if one["name"] == "tell"] == ["second"]
