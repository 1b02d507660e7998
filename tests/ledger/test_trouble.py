"""The disk is full, fails, or may not be written; the server drops its sessions, or is gone: in the middle of a night.

Each time: one named line, nothing left without a durable intent, and the next start loses nothing and pays for nothing
twice.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tasks.ledger import FencedError, Ledger, LedgerError, LedgerUnavailableError
from tasks.ledger import ledger as ledger_module
from tasks.runtime import Runtime
from tests.databases import Database, Server
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]
RECORDS = 120
IN_FLIGHT = 8


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "PATIENCE_S", (0.01, 0.02))


@contextmanager
def full(ledger: Ledger, _database: Database) -> Iterator[None]:
    """No page more than the file has now."""

    def no_more(connection: Any, _record: Any = None) -> None:
        connection.execute("PRAGMA max_page_count=1")  # the least that SQLite grants is what there is

    event.listen(ledger._engine, "connect", no_more)
    ledger.write(lambda c: no_more(c.connection.driver_connection))
    yield


@contextmanager
def failing(ledger: Ledger, _database: Database) -> Iterator[None]:
    """The operating system refuses to let a file grow; SQLite calls that an I/O error."""
    path = str(ledger._engine.url.database)
    wal = Path(f"{path}-wal")
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")  # while it reads, the journal grows and cannot begin anew
    reader.execute("SELECT count(*) FROM calls").fetchone()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 4_096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        reader.close()


@contextmanager
def dropped(_ledger: Ledger, database: Database) -> Iterator[None]:
    """Every session on the server is ended, as when a standby takes over; the server itself goes on."""
    assert isinstance(database, Server)
    database.server.sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}' AND pid <> pg_backend_pid()"
    )
    yield


@contextmanager
def gone(_ledger: Ledger, database: Database) -> Iterator[None]:
    """The server dies, and comes back after the night has failed."""
    assert isinstance(database, Server)
    database.server.stop()
    try:
        yield
    finally:
        database.server.start()


TROUBLES = {"sqlite": {"full": full, "failing": failing}, "postgres": {"dropped": dropped, "gone": gone}}
SAID = {"full": "disk is full", "failing": "disk I/O error", "dropped": "", "gone": ""}


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("calls", [3, 25])
def test_trouble_in_the_middle_of_a_night_loses_nothing(
    nights: Make, database: Database, which: int, calls: int
) -> None:
    name, trouble = list(TROUBLES[database.kind].items())[which]
    night = nights(limits={"in_flight": IN_FLIGHT, "rate_per_s": {"two_factor": 400, "three_factor": 400}})
    night.people(invented(RECORDS))
    run = night.plan()
    ledger = night.runtime.ledger
    tasks: list[asyncio.Task[None]] = []

    with ExitStack() as struck:

        async def strike() -> None:
            while len(night.twin.journal()) < calls:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(struck.enter_context, trouble(ledger, database))

        with pytest.raises((LedgerUnavailableError, FencedError)) as told:
            night.verify(run, during=lambda _night: tasks.append(asyncio.ensure_future(strike())))
        line = str(told.value)
        assert SAID[name] in line
        assert not any(word in line for word in ("\n", "INSERT", "UPDATE", "parameters", "SQL:"))
        assert calls <= len(night.twin.journal()) < RECORDS
        ledger.close()

    night.runtime = Runtime(night.profile, night.runtime.secrets)
    night.verify(run)
    ended = night.close(run)
    assert sum(ended.outcomes.values()) == RECORDS
    assert ended.outcomes["verified"] + ended.outcomes["in_doubt"] == RECORDS
    assert ended.outcomes["in_doubt"] <= IN_FLIGHT
    found = night.judge()
    assert found.clean, str(found)
    known = {row[0] for row in database.rows("SELECT call_id FROM calls")}
    assert {row["uuid"] for row in night.twin.journal()} <= known


@contextmanager
def a_folder_for_anybody() -> Iterator[Path]:
    """A folder that stays closed to writing; as root, seen with the rights of nobody."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # noqa: PTH101
        yield Path(name)


@contextmanager
def without_rights() -> Iterator[None]:
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def opening(folder: Path, **over: Any) -> Ledger:
    return Ledger(f"sqlite:///{folder}/ledger.sqlite", bound_to={"endpoint": "e"}, **over)


@pytest.mark.parametrize("what", ["folder", "file", "locks", "queue"])
def test_what_may_not_be_written_is_named_before_anything_is_done(what: str) -> None:
    with a_folder_for_anybody() as folder:
        if what != "folder":
            opening(folder).close()
            (folder / "ledger.sqlite").chmod(0o666)
            folder.chmod(0o777 if what == "queue" else 0o755)
        if what == "file":
            (folder / "ledger.sqlite").chmod(0o444)
        (folder / "locks").mkdir(exist_ok=True)
        (folder / "locks").chmod(0o555)
        if what == "folder":
            folder.chmod(0o555)
        if what == "locks":
            (folder / "ledger.sqlite.queue").chmod(0o666)
            folder.chmod(0o777)
        with without_rights(), pytest.raises(LedgerUnavailableError, match="Permission denied") as told:
            opening(folder)
        assert "\n" not in str(told.value)
        folder.chmod(0o755)


def test_what_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerUnavailableError, match="directory"):
        opening(tmp_path)
    for url, said in (("nonsense", "can't be read"), ("mysql://h/d", "not mysql"), ("sqlite://", "SQLite file")):
        with pytest.raises(LedgerUnavailableError, match=said):
            Ledger(url, bound_to={})


def test_a_server_nobody_answers_on_is_named() -> None:
    with pytest.raises(LedgerUnavailableError, match="refused") as told:
        Ledger("postgresql://u@127.0.0.1:1/d", bound_to={})
    assert "\n" not in str(told.value)


async def test_an_answer_waits_for_a_database_that_comes_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call's answer comes but once: where the commit fails it is tried again, and a moment later it is written."""
    from tests.ledger.test_ledger import VERDICT, Price, booked, call, opened, taken

    monkeypatch.setattr(ledger_module, "PATIENCE_S", (0.05,) * 40)
    ledger = opened(database)
    departing = call(ledger, taken(ledger))
    await ledger.depart(departing)
    dialect = ledger._engine.dialect
    real = dialect.do_commit

    def away(_connection: Any) -> None:
        raise dialect.loaded_dbapi.OperationalError("away")  # type: ignore[attr-defined]

    dialect.do_commit = away  # type: ignore[method-assign]
    ending = asyncio.ensure_future(ledger.end(departing, VERDICT, Price))
    await asyncio.sleep(0.2)
    assert not ending.done()
    dialect.do_commit = real  # type: ignore[method-assign]
    await ending
    assert booked(ledger) == (500_000, 0, 1)
    ledger.close()


async def test_where_the_database_stays_away_the_answer_is_given_up(ledger_away: Ledger) -> None:
    with pytest.raises(LedgerError):
        await ledger_away.withdraw(object())  # type: ignore[arg-type]


@pytest.fixture
def ledger_away(tmp_path: Path) -> Iterator[Ledger]:
    made = opening(tmp_path)
    made.awrite = _away  # type: ignore[method-assign]
    yield made
    made.close()


async def _away(_work: Any) -> Any:
    raise LedgerUnavailableError("away")
