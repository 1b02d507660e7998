"""Preflight says what is in the way of a night, spends nothing, and leaves nothing behind."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tasks.ivs.answers import answer_of
from tasks.preflight import Line, account_lines, house_lines, server_lines, worst
from tasks.preflight.account import judged
from tasks.settings import Secrets
from tests.conftest import Twin
from tests.flows.test_night import Make
from tests.judge import rows_of
from tests.people import invented
from tests.prefect.conftest import House
from tests.prefect.server import Server


def levels(lines: list[Line]) -> dict[str, str]:
    return {line.name: line.level for line in lines}


def test_all_is_in_order_and_nothing_is_spent(server: Server, twin: Twin, tmp_path: Path) -> None:
    house = House(server, twin, tmp_path, 10, 400, language="both")
    before = sorted((tmp_path / "results").rglob("*"))
    child = house.press("preflight", house.name, "--json")
    assert child.returncode == 0, house.log
    found = {line["check"]: line["level"] for line in house.out["lines"]}
    assert {name for name, level in found.items() if level == "fail"} == set()
    assert found["account_two_factor"] == found["account_three_factor"] == found["secrets"] == found["clock"] == "ok"
    assert found["prefect_database"] == found["prefect_batching"] == "warn"
    assert not [row for row in twin.journal() if row["billed"]]
    assert [path for path in sorted((tmp_path / "results").rglob("*")) if path not in before and path.is_file()] == [
        tmp_path / "results" / "ledger.json"
    ]
    run = server.newest("preflight")
    assert run is not None
    assert run["state"]["name"] == "ClearWithWarnings"
    shown = str(server.artifacts(run["id"])[f"preflight-{house.name}"]["data"])
    secrets = [value for name, value in house.environment.items() if name.startswith("IVS_BACKFILL_") and "KEY" in name]
    assert not [word for word in secrets if word in shown + house.log + str(house.out)]


def test_one_call_is_one_request_one_row_of_the_ledger_and_its_price(
    server: Server, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 10, 400)
    child = house.press("preflight", house.name, "--one-call", "--json")
    assert child.returncode == 0, house.log
    (line,) = [line for line in house.out["lines"] if line["check"] == "one_call"]
    assert (line["level"], line["finding"]) == ("ok", "completed, 1 answered")
    asked = [row for row in twin.journal() if row["billed"]]
    assert len(asked) == 1
    assert [row["status"] for row in twin.journal() if not row["billed"]] == [400, 400], "the empty questions"
    (call,) = rows_of(tmp_path / "home" / "ledger.sqlite", "calls")
    assert (call["call_id"], call["charge"]) == (asked[0]["uuid"], "certain")
    (run,) = rows_of(tmp_path / "home" / "ledger.sqlite", "runs")
    money = json.loads(run["closing"])["run_money"]
    assert (Decimal(money["certain"]), money["possible"]) == (Decimal(asked[0]["price"]), "0.00")


async def test_what_is_wrong_with_the_account_is_told(nights: Make) -> None:
    night = nights()
    night.twin.control("PUT", "/account", {"subscribed": ["two_factor"]})
    found = levels(await account_lines(night.runtime))
    assert (found["account_two_factor"], found["account_three_factor"]) == ("ok", "fail")
    night.twin.control("PUT", "/account", {"frozen": True})
    assert levels(await account_lines(night.runtime))["account_two_factor"] == "fail"
    night.runtime.secrets = Secrets({"IVS_BACKFILL_ACCESS_KEY": "wrong", "IVS_BACKFILL_SECRET_KEY": "wrong"})
    assert levels(await account_lines(night.runtime))["account_two_factor"] == "fail"
    night.runtime.secrets = Secrets({})
    assert worst(await account_lines(night.runtime)) == "fail"
    assert not [row for row in night.twin.journal() if row["billed"]]


def test_what_is_wrong_in_the_house_is_told_line_by_line(nights: Make) -> None:
    night = nights()
    assert levels(house_lines(night.runtime))["records"] == "warn", "nothing is there yet"
    night.people(invented(3))
    (night.folder / "media" / "1.jpg").write_bytes(b"a picture")
    assert worst(house_lines(night.runtime)) == "ok"
    night.runtime.ledger.halt("test")
    (night.folder / "results" / "ledger.json").write_text('{"ledger_id": "another", "calls": 0}', encoding="utf-8")
    night.runtime.secrets = Secrets({})
    found = levels(house_lines(night.runtime))
    assert {name for name, level in found.items() if level == "fail"} == {"secrets", "marker"}
    assert found["halt"] == "warn"


@pytest.mark.parametrize(
    ("status", "code", "level"),
    [
        (400, "IVS.0003", "ok"),
        (400, "IVS.0011", "ok"),
        (400, "IVS.0014", "fail"),
        (400, "IVS.0015", "fail"),
        (401, "APIG.0301", "fail"),
        (403, "APIG.0302", "fail"),
        (429, "APIG.0308", "warn"),
        (200, "", "fail"),
        (504, "", "fail"),
    ],
)
def test_each_answer_to_an_empty_question_has_its_finding(status: int, code: str, level: str) -> None:
    body = f'{{"error_code": "{code}", "error_msg": "x"}}'.encode() if code else b""
    assert judged("account_two_factor", answer_of(status, body, "0" * 32)).level == level


def settings(**over: Any) -> dict[str, Any]:
    batches = {"batch_size": 100, "read_batch_size": 100}
    server = {
        "services": {"task_run_recorder": batches, "event_persister": batches},
        "database": {"driver": "postgresql+asyncpg"},
        "concurrency": {"lease_storage": "prefect.server.concurrency.lease_storage.filesystem"},
        "api": {"auth_string": "**********"},
    }
    return {"server": server | over, "ui_url": "https://prefect.example.com"}


def test_a_production_server_is_known_from_one_that_is_not() -> None:
    assert worst(server_lines(settings(), heartbeat_s=30)) == "ok"
    assert levels(server_lines(settings(database={"driver": None}), heartbeat_s=180)) == {
        "prefect_database": "warn",
        "prefect_batching": "ok",
        "prefect_leases": "ok",
        "prefect_auth": "ok",
        "prefect_ui": "ok",
        "prefect_heartbeat": "warn",
    }
    assert levels(server_lines(None, heartbeat_s=None)) == {"prefect": "ok"}
