"""A copy of the ledger is a ledger: complete, private, made while calls go on, and told from the newest by its marks."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger import Ledger, LedgerError, WrongLedgerError
from tasks.ledger.schema import metadata
from tasks.runtime import Runtime
from tests.conftest import secret_values
from tests.databases import Database
from tests.ledger.test_ledger import VERDICT, Price, call, opened, taken
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]
ROOT = Path(__file__).resolve().parents[2]
PROFILE = """
extends = "demo"
name = "press"
home = "{home}/home"
ledger = "{ledger}"
[account]
endpoint = "{at.ivs}"
project_id = "{at.project_id}"
[source]
records = "{home}/records"
media = "{home}/media"
[privacy]
staging = "{home}/staging"
[output]
results = "{home}/results"
"""


def all_rows(rows: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, list[str]]:
    """Every row of every table but the owners', which each opening adds to; dates as text."""
    return {
        table.name: sorted(
            repr([str(value) for value in row])
            for row in rows(f"SELECT {', '.join(table.columns.keys())} FROM {table.name}")
        )
        for table in metadata.sorted_tables
        if table.name != "owners"
    }


def test_a_copy_holds_every_row_and_opens_as_a_ledger(database: Database, tmp_path: Path) -> None:
    first = opened(database)
    epoch = taken(first)

    async def live() -> None:
        for place in range(30):
            departing = call(first, epoch, f"c{place}", worst_micros=1_000)
            await first.depart(departing)
            if place % 3:
                await first.end(departing, VERDICT, Price)

    asyncio.run(live())
    first.make_mark("m")
    copy = tmp_path / "copies" / "ledger.sqlite"
    first.backup(copy)
    assert copy.stat().st_mode & 0o077 == 0
    db = sqlite3.connect(f"file:{copy}?mode=ro", uri=True)
    assert all_rows(lambda question: db.execute(question).fetchall()) == all_rows(database.rows)
    db.close()
    again = Ledger(f"sqlite:///{copy}", bound_to={"endpoint": "loopback", "project": "p"})
    assert again.ledger_id == first.ledger_id
    assert again.call_count() == 30
    assert again.has_mark("m")
    assert again.recovered == 10, "what was under way when it was copied is in doubt in the copy"
    again.close()
    first.close()


def test_a_copy_is_one_moment_while_writers_go_on(database: Database, tmp_path: Path) -> None:
    """Each departure books what its row says: a copy torn between the two would not add up."""
    first = opened(database)
    epoch = taken(first, micros=10**12)

    async def live() -> None:
        copying = asyncio.ensure_future(asyncio.to_thread(first.backup, tmp_path / "copy.sqlite"))
        place = 0
        while not copying.done() or place < 20:
            await first.depart(call(first, epoch, f"c{place}"))
            place += 1
        await copying

    asyncio.run(live())
    first.close()
    db = sqlite3.connect(tmp_path / "copy.sqlite")
    (count,) = db.execute("SELECT count(*) FROM calls").fetchone()
    (booked,) = db.execute("SELECT possible_micros FROM budget WHERE scope = 'run:r1'").fetchone()
    db.close()
    assert booked == count * 500_000


def test_nothing_is_overwritten_and_a_failed_copy_leaves_no_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(database)
    (tmp_path / "there").write_text("mine", encoding="utf-8")
    with pytest.raises(LedgerError, match="exists"):
        first.backup(tmp_path / "there")
    assert (tmp_path / "there").read_text(encoding="utf-8") == "mine"
    from tasks.ledger import copying

    def broken(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copying, "_sync", broken)
    with pytest.raises(LedgerError, match="No space left"):
        first.backup(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    first.close()


def test_a_restored_copy_starts_where_it_is_the_newest_and_is_refused_where_it_is_not(
    nights: Make, tmp_path: Path
) -> None:
    night = nights()
    night.people(invented(4))
    night.night()
    night.runtime.mark_ledger()
    night.runtime.ledger.backup(tmp_path / "copy.sqlite")
    restored = Runtime(
        night.profile.model_copy(update={"ledger": f"sqlite:///{tmp_path}/copy.sqlite"}), night.runtime.secrets
    )
    restored.check_ledger()
    restored.ledger.close()
    night.runtime.mark_ledger()
    restored = Runtime(restored.profile, night.runtime.secrets)
    with pytest.raises(WrongLedgerError, match="older copy"):
        restored.check_ledger()
    restored.ledger.close()


def test_the_terminal_copies_and_accepts(nights: Make, tmp_path: Path) -> None:
    night = nights()
    night.people(invented(3))
    run, _ = night.night()
    night.runtime.ledger.close()
    profile = tmp_path / "press.toml"
    profile.write_text(
        PROFILE.format(at=night.twin.at, home=tmp_path, ledger=night.profile.ledger_url), encoding="utf-8"
    )

    def press(*words: str) -> tuple[int, dict[str, Any], str]:
        environment = {
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            **secret_values(night.twin.at),
        }
        command = [sys.executable, "-m", "flows.cli", "ledger", *words, "--json"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout), done.stderr

    code, told, _ = press("backup", str(profile), "--to", str(tmp_path / "copy.sqlite"))
    assert (code, told) == (0, {"backup": str(tmp_path / "copy.sqlite")})
    code, told, said = press("backup", str(profile), "--to", str(tmp_path / "copy.sqlite"))
    assert (code, told["state"]) == (1, "failed")
    assert "File exists" in said
    code, told, _ = press("accept", str(profile), "--who", "A", "--why", "B")
    assert code == 0
    assert told["ledger"]
    assert run.state == "planned"
