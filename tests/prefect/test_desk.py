"""The terminal's buttons: each decision shows, is kept, and pays for nothing more; no server is needed for any."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Twin
from tests.prefect.conftest import House
from tests.prefect.server import Server

SIGNED = ("--who", "Li", "--why", "because", "--json")


def test_every_flow_runs_from_the_terminal_without_a_server(twin: Twin, tmp_path: Path) -> None:
    house = House(Server(tmp_path / "prefect"), twin, tmp_path, 60, 400, money={"approve_above": "1.00"})
    with house.terminal(served=False) as press:
        looked = {one["check"]: one["finding"] for one in press("preflight", house.name, "--json")["lines"]}
        assert looked["prefect"] == "embedded server: no production settings needed"
        planned = press("forecast", house.name, "--date", "2026-11-24", "--json")
        assert not [row for row in twin.journal() if row["billed"]]

        night = ("run", house.name, "--date", "2026-11-24", "--json")
        terms = ("--date", "2026-11-24", "--until", "2099-12-31", "--records", "60", "--money")
        assert press("envelope", house.name, *terms, "0.99", *SIGNED)["most_money"] == "0.99"
        refused = press(*night, code=4)
        assert (refused["state"], refused["plan_hash"]) == ("stopped_not_approved", planned["plan_hash"])
        assert "copy it from the plan card" in press("approve", house.name, "0" * 64, *SIGNED, code=1)["error"]
        assert press("approve", house.name, refused["plan_hash"], *SIGNED, "--reject")["run_id"] == planned["run_id"]
        press("envelope", house.name, *terms, "30.00", *SIGNED)
        assert press(*night, code=4)["state"] == "stopped_not_approved", "rejected"
        assert press("approve", house.name, refused["plan_hash"][:8], *SIGNED)["approved"] == refused["plan_hash"]
        press("halt", house.name, *SIGNED)
        assert "0 plans" in press(*night, "--approve", "0" * 64, code=1)["error"]
        assert press(*night, "--approve", refused["plan_hash"][:8], code=4)["state"] == "stopped_halted"
        press("release", house.name, *SIGNED)

        twin.control("POST", "/reset")
        twin.lift_quota()
        twin.faults({"fault": "reset_after", "match": {"nth": [10, 20, 30]}})
        run = press(*night, code=3)
        assert run["run_id"] == planned["run_id"]
        assert run["records"]["outcomes"] == {"verified": 57, "in_doubt": 3}
        twin.faults()
        calls = [one["call_id"] for one in press("in-doubt", "list", house.name, "--json")["in_doubt"]]
        assert len(calls) == 3

        done = press("in-doubt", "write-off", house.name, *calls[:2], *SIGNED)
        assert [(one["run_id"], one["revision"]) for one in done["revised"]] == [(run["run_id"], 4)]

        redriven = press("redrive", house.name, "--outcomes", "in_doubt", *SIGNED, code=3)
        assert (redriven["revision"], redriven["records"]["outcomes"]) == (5, {"verified": 58, "failed": 2})
        assert redriven["reasons"] == {"written_off": 2}
        again = press("redrive", house.name, "--outcomes", "in_doubt", *SIGNED, code=3)
        assert (again["revision"], len(twin.journal())) == (5, 61), "pressed twice asks nothing twice"

        void = press("void", house.name, run["run_id"], *SIGNED)
        assert [one["revision"] for one in void["revised"]] == [6]
        assert press("void", house.name, run["run_id"], *SIGNED, code=1)["error"].endswith("by Li: because")
        assert press("close", house.name, run["run_id"], "--json", code=3)["revision"] == 6, "nothing is new"
        kept = press("decisions", house.name, "--json")["decisions"]
        story = press("why", house.name, "people.csv:11", "--json")
    assert [one["kind"] for one in reversed(kept)] == [
        "envelope", "reject", "envelope", "approve", "halt", "approve", "release", "write-off", "write-off", "redrive",
        "void",
    ]  # fmt: skip
    assert {one["who"] for one in kept} == {"Li (unverified)", "terminal (unverified)"}
    manifest = json.loads((tmp_path / "results" / run["run_id"] / "r6" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["supersedes"], len(manifest["because"]), len(manifest["decisions"])) == (5, 1, 7)
    assert story["rows"][0]["run_id"] == run["run_id"]
    assert house.judge().clean
