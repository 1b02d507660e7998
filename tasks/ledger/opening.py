"""One way to open a ledger, whether it is fresh, was torn by a kill, or is older than this program."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tasks.ledger import postgres, sqlite
from tasks.ledger.errors import LedgerUnavailableError, WrongLedgerError
from tasks.ledger.migrations import SCHEMA_VERSION, upgrade
from tasks.ledger.owners import Owner
from tasks.ledger.said import said
from tasks.ledger.schema import binding, metadata


@dataclass(frozen=True, slots=True)
class Database:
    """What the rest of the ledger knows of its database: an engine, the clock its writers share, and who owns what."""

    engine: Engine
    clock_us: Callable[[], int]
    own: Callable[[str], Owner]


def open_database(url: str, clock_us: Callable[[], int], locks: Path | None = None) -> Database:
    """Return the database a URL names: an SQLite file, or a PostgreSQL server.

    Args:
        url: SQLAlchemy URL.
        clock_us: this machine's clock, in microseconds; PostgreSQL's own is reckoned from it.
        locks: folder of the owners' lock files; beside the SQLite file by default.

    Raises:
        LedgerUnavailableError: there is no such database, or it can't be reached.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LedgerUnavailableError("the ledger's URL can't be read: sqlite:///FILE or postgresql://HOST/DB") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database:
        path = Path(parsed.database)
        folder = locks or path.parent / "locks"
        return Database(sqlite.open_file(url, path), clock_us, lambda name: sqlite.LockFile(folder, name))
    if kind == "postgresql":
        clock = postgres.ServerClock(clock_us)
        engine = postgres.open_server(parsed, clock)
        return Database(engine, clock, lambda name: postgres.Session(engine, name))
    raise LedgerUnavailableError(f"a ledger is an SQLite file or on PostgreSQL, not {kind}")


def prepare(engine: Engine, bound_to: dict[str, str]) -> str:
    """Create, check or upgrade the tables, bind the ledger to `bound_to` (endpoint, project), and return its id.

    All of it is one transaction: a process that dies on the way leaves a fresh or an old ledger, never half of one.

    Raises:
        WrongLedgerError: bound to something else, or written by a newer program.
        LedgerUnavailableError: the database can't be used.
    """
    try:
        with queue(engine), engine.begin() as connection:
            if not inspect(connection).has_table("binding"):
                metadata.create_all(connection)
                _bind(connection, bound_to)
            return _checked(connection, bound_to)
    except (SQLAlchemyError, OSError) as error:
        raise LedgerUnavailableError(f"the ledger can't be opened: {said(error)}") from None


def queue(engine: Engine) -> AbstractContextManager[None]:
    """Hold the writers' queue where a database needs one outside its transactions."""
    return sqlite.queue(engine) if engine.dialect.name == "sqlite" else nullcontext()


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
