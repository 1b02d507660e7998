"""A run's end as Prefect's pages show it: a named state, one line, cards without anything personal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled

from flows.states import ends, message_of, object_of, press, type_of
from tasks.records import State
from tasks.text import LANGUAGES, Text
from tests.conftest import Twin
from tests.people import invented
from tests.prefect.conftest import House
from tests.prefect.server import Server, until

CARDS = {"plan", "results", "costs", "exceptions", "in-doubt", "trend", "report"}
SUM = {
    "records": {"total": 1_200, "outcomes": {"verified": 1_000, "in_doubt": 2, "not_attempted": 198}},
    "run_money": {"certain": "500.00", "possible": "1.00", "cap": "600.00", "currency": "CNY"},
}


def test_a_night_on_a_server_ends_with_a_named_state_and_cards_of_counts_and_references(
    server: Server, twin: Twin, tmp_path: Path
) -> None:
    house = House(server, twin, tmp_path, 60, 400, language="both")
    twin.faults({"fault": "reset_after", "match": {"nth": 40}})
    child = house.press("run", house.name, "--date", "2026-11-24", "--json")
    assert (child.returncode, house.out["state"]) == (3, "completed_with_exceptions"), house.log
    run = server.newest("backfill")
    assert run is not None
    assert (run["state"]["type"], run["state"]["name"]) == ("COMPLETED", "CompletedWithExceptions")
    assert "59 verified · 1 in doubt" in run["state"]["message"]
    cards = server.artifacts(run["id"])
    assert {f"{name}-{house.name}" for name in CARDS} <= cards.keys()
    shown = "\n".join(f"{one['data']} {one['description']}" for one in cards.values()) + run["state"]["message"]
    assert not [word for person in invented(60) for word in person if word in shown]
    assert house.out["report"] in cards[f"report-{house.name}"]["data"]
    assert "in-doubt resend" in cards[f"in-doubt-{house.name}"]["data"]
    assert cards[f"progress-{house.name}"]["data"] == 100
    assert "60/60 records" in cards[f"progress-{house.name}"]["description"]
    assert cards[f"costs-{house.name}"]["description"] == f"费用 costs · {house.out['run_id']}"
    assert "| 2026-11-24 · 1 |" in cards[f"trend-{house.name}"]["data"]
    until(lambda: "60/60" in str(server.logs(run["id"])), "no last line")
    logs = server.logs(run["id"])
    assert len(logs) < 20, logs
    assert "verifying 60 records" in str(logs)
    name = "1/2 · 二要素·文本 two-factor, text · 5 条 records"
    until(lambda: any(name in one["name"] for one in server.task_runs(run["id"])), "no such task run")
    assert house.judge().clean


@pytest.mark.parametrize("state", [one for one in State if one.value.startswith(("completed", "stopped"))])
async def test_every_end_has_a_name_a_colour_and_one_line_and_keeps_its_object(state: State) -> None:
    ended: dict[str, Any] = {"state": state.value, **SUM}
    shown = ends(ended, Text("both"))
    assert shown.name is not None
    assert shown.name.lower() == state.value.replace("_", "")
    assert await object_of(shown) == ended
    lines = (shown.message or "").split("\n")
    assert len(lines) == len(LANGUAGES)
    assert all("500.00" in line and "1,200" in line for line in lines)


def test_green_needs_nobody_red_needs_somebody_and_grey_was_somebodys_will() -> None:
    colours = {state: type_of(state) for state in State if state.value.startswith(("completed", "stopped"))}
    named = {kind: {state.value for state, one in colours.items() if one is kind} for kind in colours.values()}
    assert named[StateType.COMPLETED] == {
        "completed",
        "completed_with_exceptions",
        "stopped_budget",
        "stopped_window",
    }
    assert named[StateType.CANCELLED] == {"stopped_cancelled", "stopped_halted"}
    assert named[StateType.FAILED] == {
        "stopped_account",
        "stopped_provider",
        "stopped_canary",
        "stopped_input",
        "stopped_not_approved",
    }


def test_an_input_that_cannot_be_planned_says_so_without_figures() -> None:
    said = message_of({"state": "stopped_input", "error": "people.csv row 3: ..."}, Text("en"))
    assert said == "stopped: input incomplete, no call was made"


async def test_what_a_flow_raised_is_raised_to_the_terminal() -> None:
    from prefect.states import exception_to_failed_state

    failed = await exception_to_failed_state(LookupError("gone"))
    with pytest.raises(LookupError, match="gone"):
        await object_of(failed)


def test_the_terminal_gets_its_object_where_the_server_hands_back_a_state_without_it() -> None:
    class Forgotten:
        """A flow whose server has answered a second telling with its own copy of the state."""

        async def fn(self, profile: str) -> Any:
            return ends({"state": "stopped_halted", "profile": profile}, Text("en"))

        async def __call__(self, *given: Any, return_state: bool) -> Any:
            await self.fn(*given)
            return Cancelled()

    assert press(Forgotten(), "crash") == {"state": "stopped_halted", "profile": "crash"}  # type: ignore[arg-type]
