"""One way to open a ledger: fresh, torn by a kill, older than this program; a newer one and another's are refused."""

from __future__ import annotations

import multiprocessing
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger import Ledger, LedgerUnavailableError, WrongLedgerError, migrations, opening
from tasks.ledger.budget import month_scope
from tests.databases import Server
from tests.postgres import Postgres

BOUND = {"endpoint": "loopback", "project": "p"}
OLDEST = (Path(__file__).parent / "version_1.sql").read_text(encoding="utf-8")
TABLES = ("owners", "runs", "calls", "unsent", "decisions", "budget", "tiers", "quota", "switches")


def opened(folder: Path, **over: Any) -> Ledger:
    return Ledger(f"sqlite:///{folder}/ledger.sqlite", bound_to=BOUND | over)


def oldest(folder: Path) -> Path:
    path = folder / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(OLDEST)
    db.close()
    return path


def shape(path: Path) -> dict[str, Any]:
    """Every table's columns and indexes, however their types are spelled."""
    with sqlite3.connect(path) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        told: dict[str, Any] = {}
        for name in names:
            columns = db.execute(f"PRAGMA table_info({name})").fetchall()
            indexes = db.execute(f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = '{name}'")
            told[name] = sorted((row[1], *row[3:]) for row in columns), sorted(map(str, indexes))
    db.close()
    return told


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    with sqlite3.connect(path) as db:
        db.row_factory = sqlite3.Row
        told = {name: [dict(row) for row in db.execute(f"SELECT * FROM {name}")] for name in TABLES}
    db.close()
    return told


def kept(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether each old row is there with every old column as it was."""
    return all(any(row.items() <= now.items() for now in after[name]) for name in TABLES for row in before[name])


def test_the_oldest_ledger_is_upgraded_and_keeps_every_row(tmp_path: Path) -> None:
    before = rows(oldest(tmp_path))
    engine = opening.open_database(f"sqlite:///{tmp_path}/ledger.sqlite", lambda: 1).engine
    assert opening.prepare(engine, BOUND) == "0123456789abcdef0123456789abcdef"
    assert all(before.values())
    assert kept(before, rows(tmp_path / "ledger.sqlite"))
    assert opening.prepare(engine, BOUND) == "0123456789abcdef0123456789abcdef", "a second opening changes nothing"


def test_an_upgraded_ledger_works_like_a_fresh_one(tmp_path: Path) -> None:
    oldest(tmp_path)
    made = opened(tmp_path)
    whole, month = made.booked("month:2026-11"), made.booked(month_scope("test:2026-11-24", "2026-11"))
    assert whole is not None
    assert month is not None
    assert whole[1:] == month[1:], "the only profile's month is the ledger's"
    assert made.recovered == 1, "what its dead owner left sent is in doubt"
    assert made.halted() == "A: why"
    assert [call.call_id for call in made.calls_of("r1", ["R1", "R2"])] == ["c1", "c2"]
    assert made.take("r1", []) == 4
    made.close()


def test_the_oldest_ledger_is_upgraded_on_postgresql_as_on_sqlite(postgres: Postgres) -> None:
    database = Server(postgres)
    spelled = re.sub(r"VARCHAR\(\d+\)", "TEXT", OLDEST).replace("DEFAULT '0'", "DEFAULT 0")
    for statement in spelled.split(";\n"):
        database.write(statement)
    made = Ledger(database.url, bound_to=BOUND)
    whole, month = made.booked("month:2026-11"), made.booked(month_scope("test:2026-11-24", "2026-11"))
    assert whole is not None
    assert month is not None
    assert whole[1:] == month[1:] == (400_000, 500_000, 2, 10_000_000, 0)
    assert (made.recovered, made.halted(), made.take("r1", [])) == (1, "A: why", 4)
    made.close()
    fresh = Server(postgres)
    Ledger(fresh.url, bound_to=BOUND).close()
    shape = (
        "SELECT table_name, column_name, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    assert database.rows(shape) == fresh.rows(shape)
    indexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
    assert database.rows(indexes) == fresh.rows(indexes)
    for one in (database, fresh):
        one.drop()


def test_an_upgraded_ledger_has_the_tables_of_a_fresh_one(tmp_path: Path) -> None:
    for name in ("fresh", "old"):
        (tmp_path / name).mkdir()
    oldest(tmp_path / "old")
    for name in ("fresh", "old"):
        opened(tmp_path / name).close()
    assert shape(tmp_path / "old" / "ledger.sqlite") == shape(tmp_path / "fresh" / "ledger.sqlite")


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("UPDATE binding SET value = '99' WHERE name = 'schema'")
    db.close()
    with pytest.raises(WrongLedgerError, match="newer program"):
        opened(tmp_path)


def test_a_ledger_is_bound_to_its_endpoint_and_project(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(WrongLedgerError, match="endpoint"):
        opened(tmp_path, endpoint="https://real")
    again = opened(tmp_path)
    assert len(again.ledger_id) == 32
    again.close()


def test_anothers_older_ledger_is_refused_untouched(tmp_path: Path) -> None:
    path = oldest(tmp_path)
    before = shape(path)
    with pytest.raises(WrongLedgerError, match="project"):
        opened(tmp_path, project="other")
    assert shape(path) == before


def open_and_die(folder: str, where: str) -> None:
    """Die in the middle of opening: the tables are made, or upgraded, and nothing is durable yet."""
    migrations.STEPS = (*migrations.STEPS, ("CREATE TABLE half (n INTEGER)",))  # type: ignore[misc]
    name = "_bind" if where == "creating" else "upgrade"
    real = getattr(opening, name)

    def die(*given: Any) -> None:
        real(*given)
        os._exit(9)

    setattr(opening, name, die)
    opened(Path(folder))


@pytest.mark.parametrize("where", ["creating", "upgrading"])
def test_a_ledger_torn_while_it_is_made_or_upgraded_opens_clean(tmp_path: Path, where: str) -> None:
    before = rows(oldest(tmp_path)) if where == "upgrading" else None
    child = multiprocessing.get_context("spawn").Process(target=open_and_die, args=(str(tmp_path), where))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    child.close()
    if before:
        assert rows(tmp_path / "ledger.sqlite") == before
    opened(tmp_path).close()
    assert "half" not in shape(tmp_path / "ledger.sqlite")


@pytest.mark.parametrize("left", [b"", b"SQLite format 3\x00"], ids=["empty", "cut in its header"])
def test_a_file_torn_at_its_first_write_says_so_or_opens(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(left)
    if left:
        with pytest.raises(LedgerUnavailableError, match="ledger"):
            opened(tmp_path)
    else:
        opened(tmp_path).close()
