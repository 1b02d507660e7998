"""Each start marks the Prefect runs whose process is dead, and leaves all others alone."""

from __future__ import annotations

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import dead
from tests.flows.test_night import Make
from tests.prefect.server import Server


async def test_runs_of_dead_owners_are_marked_and_those_of_the_living_and_of_others_are_not(
    server: Server, nights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = nights().runtime.ledger
    flow = server.call("POST", "/flows/", {"name": "marked"})["id"]

    def running(owner: str, of: str, profile: str = "a") -> str:
        labels = {"ivs.owner": owner, "ivs.ledger": of, "ivs.profile": profile}
        wanted = {"flow_id": flow, "state": {"type": "RUNNING"}, "labels": labels}
        return str(server.call("POST", "/flow_runs/", wanted)["id"])

    gone, alive = running("gone", ledger.ledger_id), running(ledger.owner.name, ledger.ledger_id)
    other = running("gone", "another ledger")
    started_again_by_itself = running("gone", ledger.ledger_id, "b")
    with temporary_settings({PREFECT_API_URL: server.api}):
        assert await dead.mark_dead(ledger, "a") == 0, "a run that has just begun may not have named its owner yet"
        monkeypatch.setattr(dead, "SETTLED_S", 0.0)
        assert await dead.mark_dead(ledger, "a") == 1
    others = (alive, other, started_again_by_itself)
    assert [server.run(one)["state"]["name"] for one in (gone, *others)] == ["OwnerDied", *["Running"] * 3]
    for one in others:
        server.set_state(one, "COMPLETED")


async def test_a_run_that_goes_on_names_its_new_process_before_anything_that_takes_long(
    nights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, written = nights().runtime.ledger, dict[str, str]()

    async def label(**labels: str) -> None:
        written.update(labels)

    monkeypatch.setattr(dead, "label", label)
    await dead.goes_on(ledger)
    assert written == {}, "it has named no run yet"
    monkeypatch.setattr(dead, "served", lambda _ledger: "test-20261124-1-0000")
    await dead.goes_on(ledger)
    assert written == {"owner": ledger.owner.name}
