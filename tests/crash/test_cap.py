"""Four processes, 64 calls in flight each, faults and any latency: no cap is passed at any instant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.ledger.budget import month_scope
from tests.conftest import Twin
from tests.crash import driver
from tests.databases import Database
from tests.judge import Judgement, judge, rows_of
from tests.people import invented

PROCESSES = 4
RECORDS = 160
SHARED = 40
PRICE = 500_000
CAPS = {
    "money of the night": {"cap_night": "80.3"},
    "calls of the month": {"cap_month_calls": 151},
}
FAULTS: list[dict[str, Any]] = [
    {"fault": "latency", "args": {"low_s": 0.001, "high_s": 0.25}},
    {"fault": "status", "rate": 0.04, "seed": 1, "args": {"status": 503}},
    {"fault": "throttle", "rate": 0.03, "seed": 2},
    {"fault": "reset_after", "rate": 0.03, "seed": 3},
    {"fault": "reset_body", "rate": 0.02, "seed": 4},
    {"fault": "truncated", "rate": 0.02, "seed": 5},
]


def people_of(place: int) -> list[tuple[str, str]]:
    """Each process has people of its own, and some that all have."""
    return [*invented(SHARED, seed=99), *invented(RECORDS - SHARED, seed=place)]


def prepared(twin: Twin, folder: Path, place: int, ledger: str, money: dict[str, Any]) -> Path:
    mine = folder / f"p{place}"
    mine.mkdir()
    limits = {"in_flight": 64, "headroom_pct": 0}
    shared = {"home": str(folder / "home"), "limits": limits, "money": money, "ledger": ledger}
    driver.prepare(mine, twin.at, people_of(place), 400, **shared)
    return mine


TRIGGER = {
    "sqlite": ["CREATE TRIGGER seen_budget AFTER UPDATE ON budget BEGIN {insert}; END"],
    "postgres": [
        "CREATE FUNCTION seen_budget() RETURNS trigger AS $$ BEGIN {insert}; RETURN NEW; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER seen_budget AFTER UPDATE ON budget FOR EACH ROW EXECUTE FUNCTION seen_budget()",
    ],
}


def see_every_instant(database: Database) -> None:
    """Let the database itself keep every state a budget goes through, in the order of commits."""
    database.write("CREATE TABLE seen (scope TEXT, spent BIGINT, cap BIGINT, calls BIGINT, cap_calls BIGINT)")
    insert = (
        "INSERT INTO seen VALUES (NEW.scope, NEW.certain_micros + NEW.possible_micros, "
        "NEW.cap_micros, NEW.calls, NEW.cap_calls)"
    )
    for statement in TRIGGER[database.kind]:
        database.write(statement.format(insert=insert))


def replayed(database: Database) -> dict[str, tuple[int, int]]:
    """Add up the calls of each scope again, from nothing."""
    spent: dict[str, tuple[int, int]] = {}
    for call in rows_of(database.url, "calls"):
        for scope in (f"run:{call['run_id']}", f"night:{call['night']}", month_scope(call["night"], call["month"])):
            micros, calls = spent.get(scope, (0, 0))
            worst = {"certain": call["price_micros"], "possible": call["worst_micros"], "none": 0}[call["charge"]]
            spent[scope] = micros + worst, calls + (call["charge"] != "none")
    return spent


def started(folders: list[Path]) -> list[dict[str, Any]]:
    """Start a worker in each folder at once, and return what each said in the end."""
    children = [driver.start(folder) for folder in folders]
    said = []
    for folder, child in zip(folders, children, strict=True):
        child.wait(120)
        assert child.returncode == 0, (folder / "worker.log").read_text(encoding="utf-8")[-2_000:]
        said.append(json.loads((folder / "done").read_text(encoding="utf-8")))
    return said


def judged(twin: Twin, database: Database, folders: list[Path], said: list[dict[str, Any]]) -> Judgement:
    tables = {
        one["run_id"]: pq.read_table(mine / "out" / "results.parquet") for one, mine in zip(said, folders, strict=True)
    }
    planned = dict.fromkeys(tables, driver.refs(RECORDS))
    return judge(ledger=database.url, journal=twin.at.journal, results=tables, planned=planned)


@pytest.mark.parametrize(("make_database", "cap"), list(zip(TRIGGER, CAPS, strict=True)), indirect=["make_database"])
def test_four_processes_never_pass_a_cap_and_the_night_after_pays_for_nothing_twice(
    twin: Twin, tmp_path: Path, database: Database, cap: str, figure: Callable[[str], None]
) -> None:
    twin.faults(*FAULTS)
    folders = [prepared(twin, tmp_path, place, database.url, CAPS[cap]) for place in range(PROCESSES)]
    driver.opened(folders[0])
    see_every_instant(database)
    said = started(folders)
    stops = {one["stop"] for one in said}
    assert stops <= {"budget", "provider"}
    assert "budget" in stops
    instants = database.rows("SELECT * FROM seen")
    over = [row for row in instants if row[1] > row[2] or (row[4] and row[3] > row[4])]
    assert not over
    assert len(instants) > 200
    budgets = {row["scope"]: row for row in rows_of(database.url, "budget")}
    for scope, (micros, calls) in replayed(database).items():
        row = budgets[scope]
        assert (row["certain_micros"] + row["possible_micros"], row["calls"]) == (micros, calls)
    found = judged(twin, database, folders, said)
    figure(f"R8 {database.kind}, {cap}: {len(instants)} instants of four processes, over the cap {len(over)}; {found}")
    assert found.clean, str(found)
    billed = found.counts["billed"]
    twin.faults()
    for mine in folders:
        profile = json.loads((mine / "profile.json").read_text(encoding="utf-8"))
        profile["money"] |= {"cap_night": "100000", "cap_month": "100000", "cap_run": "100000", "cap_month_calls": 0}
        (mine / "profile.json").write_text(json.dumps(profile), encoding="utf-8")
    again = started(folders[:2])
    assert {one["stop"] for one in again} == {""}
    found = judged(twin, database, folders[:2], again)
    assert found.clean, str(found)
    assert found.counts["billed"] > billed, "what was left open was asked"
