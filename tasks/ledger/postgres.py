"""A ledger on a server: writers take turns, a session proves who lives, and the server's clock is everybody's.

At READ COMMITTED two transactions can each miss what the other is about to write. So every write transaction begins by
taking one advisory lock, which the server lets go when it ends: writers go one after another, as on SQLite, and what
holds there holds here. An owner's life hangs on a lock too, held by a connection of its own for as long as it lives.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tasks.ledger.errors import FencedError, LedgerUnavailableError
from tasks.ledger.said import said

TURN: Final = 0x6976735F6C656467
DRIFT_PER_S: Final = 100
"""How far two clocks may part, in microseconds a second, before they are compared again."""

_CONNECT: Final = {"connect_timeout": 10, "keepalives_idle": 30, "application_name": "ivs-backfill ledger"}
_TUNED: Final = (
    "SET synchronous_commit = on",
    "SET lock_timeout = '60s'",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET idle_session_timeout = 0",
)
_TURN: Final = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) FROM pg_advisory_xact_lock(%s)"
_FORGETS: Final = text(
    "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name"
)
_HELD: Final = text(
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND CAST(classid AS bigint) = :high AND CAST(objid AS bigint) = :low)"
)


class ServerClock:
    """The server's clock as seen from here, in microseconds, learned from each write transaction.

    A comparison says that the server is ahead by something between two numbers. What is known narrows with each, and
    widens with time; one that contradicts what was known (somebody set a clock) starts anew.
    """

    def __init__(self, local_us: Callable[[], int]) -> None:
        self._local_us = local_us
        self._ahead = (0, 0)
        self._compared_us: int | None = None

    def __call__(self) -> int:
        """Return the server's time, as well as it is known."""
        low, high = self._ahead
        return self._local_us() + (low + high) // 2

    def take_turn(self, connection: Connection) -> None:
        """Wait for the turn to write, and compare clocks by the way."""
        before = self._local_us()
        server = connection.exec_driver_sql(_TURN, (TURN,)).scalar_one()
        self.compare(before, server, self._local_us())

    def compare(self, before: int, server: int, after: int) -> None:
        """Learn that the server's clock showed `server` at some moment between two moments here."""
        low, high = server - after, server - before
        if self._compared_us is not None:
            grown = max(after - self._compared_us, 0) * DRIFT_PER_S // 1_000_000
            known = self._ahead[0] - grown, self._ahead[1] + grown
            if max(low, known[0]) <= min(high, known[1]):
                low, high = max(low, known[0]), min(high, known[1])
        self._ahead, self._compared_us = (low, high), after


def open_server(url: URL, clock: ServerClock) -> Engine:
    """Return an engine for a ledger on PostgreSQL, where each write transaction waits for its turn.

    Raises:
        LedgerUnavailableError: the driver is not installed.
    """
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, max_overflow=20, connect_args=_CONNECT
        )
    except ImportError:
        raise LedgerUnavailableError("a ledger on PostgreSQL needs the extra `postgres`: install it") from None
    event.listen(engine, "connect", _tune)

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("reading"):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        else:
            clock.take_turn(connection)

    event.listen(engine, "begin", begin)
    return engine


def settings_that_forget(connection: Connection) -> list[str]:
    """Return the settings that are off, and without which a server that loses power loses what it has committed."""
    if connection.dialect.name == "sqlite":
        return []
    return list(connection.execute(_FORGETS).scalars())


class Session:
    """This process as an owner: a lock held by a connection of its own.

    The connection must reach the server itself, not a pooler that lends sessions. Losing it does not prove this process
    dead, only that it may send no more: `check` says so, and what was written and not sent is withdrawn.

    Args:
        engine: the ledger's engine, to ask who else lives.
        name: what this process is called; a random name where it is empty.

    Raises:
        LedgerUnavailableError: the server can't be reached.
    """

    def __init__(self, engine: Engine, name: str = "") -> None:
        self.name = name or uuid.uuid4().hex[:20]
        self._engine = engine
        own = create_engine(engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_CONNECT)
        event.listen(own, "connect", _tune)
        try:
            self._held = own.connect()
            high, low = _key(self.name)
            self._held.exec_driver_sql("SELECT pg_advisory_lock(%s)", (high << 32 | low,))
        except SQLAlchemyError as error:
            raise LedgerUnavailableError(f"the ledger can't be reached: {said(error)}") from None

    def is_alive(self, owner: str) -> bool:
        """Tell whether the session of the process that `owner` names still stands.

        Raises:
            LedgerUnavailableError: the server can't be reached.
        """
        if owner == self.name:
            return True
        high, low = _key(owner)
        try:
            with self._engine.execution_options(reading=True).connect() as connection, connection.begin():
                return bool(connection.execute(_HELD, {"high": high, "low": low}).scalar_one())
        except SQLAlchemyError as error:
            raise LedgerUnavailableError(f"the ledger can't be reached: {said(error)}") from None

    def check(self) -> None:
        """Make sure that nobody can take this process for dead; asks the socket only, and waits for nothing.

        Raises:
            FencedError: the session is lost, so others may.
        """
        if not _stands(self._held.connection.driver_connection):
            raise FencedError("this process lost its session on the ledger's server: others take it for dead")

    def release(self) -> None:
        """Let go of the lock; where the session is lost it is let go already."""
        with suppress(SQLAlchemyError):
            self._held.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        self._held.close()


def _key(owner: str) -> tuple[int, int]:
    """Return an owner's lock, as the two halves that the server lists; never negative, never the writers' turn."""
    whole = int.from_bytes(hashlib.blake2b(owner.encode(), digest_size=8).digest()) >> 2
    return whole >> 32, whole & 0xFFFFFFFF


def _stands(session: Any) -> bool:
    from psycopg import OperationalError

    try:
        for _ in range(3):  # what the server said last, that it has hung up, and what libpq makes of it
            session.pgconn.consume_input()
    except OperationalError:
        return False
    return not session.closed


def _tune(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        for statement in _TUNED:
            cursor.execute(statement)
    connection.commit()
