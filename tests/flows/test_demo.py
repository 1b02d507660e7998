"""The demo as a newcomer runs it, twice: a process of its own, the real flow on Prefect's embedded server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.judge import judge, rows_of

ROOT = Path(__file__).resolve().parents[2]


def demo(home: Path) -> tuple[int, dict[str, Any], str]:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "flows.cli", "demo", "--json", "--home", str(home / "demo")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, dict[str, Any], str]]]:
    home = tmp_path_factory.mktemp("newcomer")
    return home / "demo", [demo(home), demo(home)]


def test_both_nights_end_as_expected(two_nights: tuple[Path, list[tuple[int, dict[str, Any], str]]]) -> None:
    for code, ended, log in two_nights[1]:
        assert ended.get("differences") == [], log
        assert code == 0


def test_the_first_night_has_everything_in_it(two_nights: tuple[Path, list[tuple[int, dict[str, Any], str]]]) -> None:
    _, first, log = two_nights[1][0]
    assert first["records"]["total"] >= 200
    assert first["run_calls"]["in_doubt"] == 1
    assert first["throttled"] > 0
    assert first["run_money"]["certain"] == "116.40"
    assert "SeaweedFS" in log


def test_the_second_night_pays_for_nothing(two_nights: tuple[Path, list[tuple[int, dict[str, Any], str]]]) -> None:
    (_, first, _), (_, again, _) = two_nights[1]
    assert again["calls"] == {"sent": 0, "answered": 0, "refused": 0, "in_doubt": 0}
    assert again["records"]["outcomes"]["in_doubt"] == 1
    same_date = again["business_date"] == first["business_date"]
    assert again["sequence"] == (2 if same_date else 1), "midnight may lie between them"


def test_the_judge_finds_nothing(
    two_nights: tuple[Path, list[tuple[int, dict[str, Any], str]]], figure: Callable[[str], None]
) -> None:
    home, ended = two_nights
    tables = {one["run_id"]: pq.read_table(Path(one["manifest"]).with_name("results.parquet")) for _, one, _ in ended}
    refs = {run_id: set(table.column("record_ref").to_pylist()) for run_id, table in tables.items()}
    assert all(len(found) == 224 for found in refs.values())
    found = judge(
        ledger=home / "ledger.sqlite", journal=home / "provider" / "journal.sqlite", results=tables, planned=refs
    )
    figure(f"the demo's two nights: {found}")
    assert found.clean, str(found)


def test_nothing_personal_lies_in_the_ledger_or_in_prefects_database(
    two_nights: tuple[Path, list[tuple[int, dict[str, Any], str]]],
) -> None:
    home, _ = two_nights
    marked = {"张三", "440524188001010010", "440524188001010029", "阿依古丽", "BRANCH01-00001", "faces/0300.jpg"}
    files = [home / "ledger.sqlite", home / "ledger.sqlite-wal", *(home / "prefect").rglob("*")]
    read = [path.read_bytes() for path in files if path.is_file()]
    assert len(read) > 2
    for data in read:
        for word in marked:
            assert word.encode() not in data


def test_names_and_numbers_are_deleted_from_the_store_when_a_run_has_ended(
    two_nights: tuple[Path, list[tuple[int, dict[str, Any], str]]],
) -> None:
    """The staged chunks are gone; what stays is sealed: masked rows, and the records that may be asked again."""
    from tasks.local.seaweed import seaweed

    home, _ = two_nights
    ended = [row["state"] for row in rows_of(home / "ledger.sqlite", "runs")]
    assert [state.startswith("completed") for state in ended] == [True, True]
    with seaweed(home / "store", bucket="ivs-demo") as store:
        listed = store.client().list_objects_v2(Bucket="ivs-demo", Prefix="staging/")
    names = [item["Key"].rsplit("/", 1)[-1] for item in listed["Contents"]]
    assert not [name for name in names if name.startswith("chunk-")]
    opened = [name for name in names if name.startswith("open-")]
    assert {"manifest.json", "rows-000000.sealed"} == set(names) - set(opened)
    assert opened, "what is open is kept for a redrive, by itself"


def test_no_part_is_left_running(two_nights: tuple[Path, list[tuple[int, dict[str, Any], str]]]) -> None:
    home, _ = two_nights
    running = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(home) not in running
