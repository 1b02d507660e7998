"""The two databases a ledger may lie in, as an operator handles them: looked into, copied, restored, lost."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.postgres import Postgres


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an SQLite file that another process may be writing; nothing can be written through it."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    db.row_factory = sqlite3.Row
    try:
        yield db
    finally:
        db.close()


class Database(Protocol):
    """One ledger's database; the ledger is closed while it is copied, restored or lost."""

    kind: str
    url: str

    def rows(self, question: str) -> list[tuple[Any, ...]]: ...

    def owners(self) -> int: ...

    def write(self, statement: str) -> None: ...

    def copy(self) -> str: ...

    def restore(self, copy: str) -> None: ...

    def lose(self) -> None: ...


class File:
    """A ledger in an SQLite file."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{uuid.uuid4().hex[:8]}.sqlite"
        self.url = f"sqlite:///{self._path}"

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        with reading(self._path) as db:
            return [tuple(row) for row in db.execute(question)]

    def owners(self) -> int:
        """Return how many owners the database still knows to be alive; a file knows none."""
        return 0

    def write(self, statement: str) -> None:
        db = sqlite3.connect(self._path)
        try:
            with db:
                db.execute(statement)
        finally:
            db.close()

    def copy(self) -> str:
        copied = self._path.with_suffix(f".{uuid.uuid4().hex[:8]}")
        copied.write_bytes(self._path.read_bytes())
        return str(copied)

    def restore(self, copy: str) -> None:
        self.lose()
        self._path.write_bytes(Path(copy).read_bytes())

    def lose(self) -> None:
        for path in (self._path, Path(f"{self._path}-wal"), Path(f"{self._path}-shm")):
            path.unlink(missing_ok=True)


class Server:
    """A ledger on PostgreSQL."""

    kind = "postgres"

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.name = server.database()
        self.url = server.url(self.name)
        self._made = [self.name]

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        return self.server.sql(question, self.name)

    def owners(self) -> int:
        ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        return int(self.rows(f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {ours}")[0][0])

    def write(self, statement: str) -> None:
        self.server.sql(statement, self.name)

    def copy(self) -> str:
        copied = f"{self.name}_{uuid.uuid4().hex[:4]}"
        self.server.sql(f"CREATE DATABASE {copied} TEMPLATE {self.name}")
        self._made.append(copied)
        return copied

    def restore(self, copy: str) -> None:
        self.server.drop(self.name)
        self.server.sql(f"CREATE DATABASE {self.name} TEMPLATE {copy}")

    def lose(self) -> None:
        self.restore("template0")

    def drop(self) -> None:
        for name in self._made:
            self.server.drop(name)
