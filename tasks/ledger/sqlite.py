"""A ledger in a file: writers of all processes queue for it, and a lock file proves who lives."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from tasks.ledger.errors import FencedError, LedgerUnavailableError

BUSY_MS: Final = 60_000


def open_file(url: str, path: Path) -> Engine:
    """Return an engine for a ledger file, made 0600 where it is new: WAL mode, every commit on the disk.

    Raises:
        LedgerUnavailableError: the file can't be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerUnavailableError(f"ledger {path.name}: {error.strerror}") from None
    engine = create_engine(url, poolclass=NullPool)
    event.listen(engine, "connect", _tune)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def queue(engine: Engine) -> Iterator[None]:
    """Hold the file's write queue; SQLite's own waiting starves one process when several write."""
    handle = os.open(f"{engine.url.database}.queue", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class LockFile:
    """This process as an owner: it holds a lock file while it lives; a lock that can be taken proves its owner dead.

    Args:
        folder: where lock files lie; shared by all processes of one ledger on this machine.
        name: what this process is called; a random name where it is empty.

    Raises:
        LedgerUnavailableError: the folder can't be written.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self.name = name or uuid.uuid4().hex[:20]
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(self._path(self.name), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerUnavailableError(f"the ledger's locks: {error.strerror}") from None
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def is_alive(self, owner: str) -> bool:
        """Tell whether the process that `owner` names still lives (holds its lock)."""
        if owner == self.name:
            return True
        try:
            handle = os.open(self._path(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two who ask at once agree
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(handle)

    def check(self) -> None:
        """Make sure that nobody can take this process for dead.

        Raises:
            FencedError: the lock file is gone, so others may.
        """
        if os.fstat(self._handle).st_nlink == 0:
            raise FencedError("this process's lock file was removed: others take it for dead")

    def release(self) -> None:
        """Let go of the lock and remove its file."""
        self._path(self.name).unlink(missing_ok=True)
        os.close(self._handle)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}.lock"


def _tune(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("plain"):
        connection.exec_driver_sql("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")
