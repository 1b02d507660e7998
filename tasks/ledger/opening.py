"""One way to open a ledger, whether it is fresh, was torn by a kill, or is older than this program."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tasks.ledger.errors import LedgerUnavailableError, WrongLedgerError
from tasks.ledger.migrations import SCHEMA_VERSION, upgrade
from tasks.ledger.schema import binding, metadata

BUSY_MS: Final = 60_000


def open_engine(url: str) -> Engine:
    """Return an engine for a ledger's URL; SQLite files are made 0600, in WAL mode, with every commit on the disk.

    Raises:
        LedgerUnavailableError: the file or server can't be reached.
    """
    path = sqlite_path(url)
    if path is None:
        return create_engine(url, pool_pre_ping=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError as error:
        raise LedgerUnavailableError(f"ledger {path.name}: {error.strerror}") from None
    engine = create_engine(url, poolclass=NullPool)
    event.listen(engine, "connect", _tune)
    event.listen(engine, "begin", _begin)
    return engine


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, or None for a server."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def prepare(engine: Engine, bound_to: dict[str, str]) -> str:
    """Create, check or upgrade the tables, bind the ledger to `bound_to` (endpoint, project), and return its id.

    All of it is one transaction: a process that dies on the way leaves a fresh or an old ledger, never half of one.

    Raises:
        WrongLedgerError: bound to something else, or written by a newer program.
        LedgerUnavailableError: the database can't be used.
    """
    try:
        with writing(engine) as connection:
            if not inspect(connection).has_table("binding"):
                metadata.create_all(connection)
                _bind(connection, bound_to)
            return _checked(connection, bound_to)
    except SQLAlchemyError as error:
        raise LedgerUnavailableError(f"ledger: {type(error).__name__}") from None


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection inside one write transaction, queued fairly among the processes that share an SQLite file."""
    with queue(engine), engine.begin() as connection:
        yield connection


@contextmanager
def queue(engine: Engine) -> Iterator[None]:
    """Hold the ledger file's write queue; SQLite's own waiting starves one process when several write."""
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database:
        yield
        return
    handle = os.open(f"{database}.queue", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _tune(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")


def _bind(connection: Connection, bound_to: dict[str, str]) -> None:
    rows = {"schema": str(SCHEMA_VERSION), "ledger_id": uuid.uuid4().hex, **bound_to}
    connection.execute(binding.insert(), [{"name": name, "value": value} for name, value in rows.items()])


def _checked(connection: Connection, bound_to: dict[str, str]) -> str:
    found = {row.name: row.value for row in connection.execute(select(binding))}
    if int(found["schema"]) > SCHEMA_VERSION:
        raise WrongLedgerError(f"the ledger was written by a newer program (schema {found['schema']})")
    for name, value in bound_to.items():
        if found.get(name) != value:
            raise WrongLedgerError(
                f"the ledger is bound to {name} {found.get(name)!r}, the profile says {value!r}: "
                "use that profile's own ledger"
            )
    upgrade(connection, int(found["schema"]))
    return str(found["ledger_id"])
