"""Every request as the judge will read it: a row each, in SQLite, safe from a kill before its answer leaves."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

_TYPES = {"int": "INTEGER", "int | None": "INTEGER", "str": "TEXT"}


@dataclass(slots=True)
class Entry:
    """A row of ``requests``. Times are microseconds since 1970 UTC; `billed` and `client_gone` are 0 or 1."""

    received_at: int
    body_at: int = 0
    answered_at: int | None = None
    operation: str = ""
    family: str = ""
    account: str = ""
    project: str = ""
    region: str = ""
    enterprise_project: str = ""
    auth: str = ""
    uuid: str = ""
    input: str = ""
    status: int | None = None
    code: str = ""
    verdict: str = ""
    billed: int = 0
    price: str = "0"
    package: str = ""
    client_gone: int = 0
    fault: str = ""


COLUMNS = tuple(column.name for column in fields(Entry))
_RECEIVED = COLUMNS.index("received_at")


class Journal:
    """The journal of one home; a second process may read it meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: queue.SimpleQueue[tuple[list[tuple[Any, ...]], asyncio.Future[None] | None] | None] = (
            queue.SimpleQueue()
        )
        self._since_us = 0
        self._clearing = threading.Lock()
        with closing(self._connect()) as db, db:
            columns = ", ".join(f"{column.name} {_TYPES[str(column.type)]}" for column in fields(Entry))
            db.execute(f"CREATE TABLE IF NOT EXISTS requests ({columns})")
            db.execute("CREATE INDEX IF NOT EXISTS by_input ON requests (input)")
        path.chmod(0o600)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def write(self, *entries: Entry) -> None:
        """Write rows, and return when they are in the file; what came before `clear` is forgotten."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.put(([astuple(entry) for entry in entries], done))
        await asyncio.shield(done)

    def rows(self, where: str = "1", values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return rows, oldest first."""
        with closing(self._connect()) as db:
            db.row_factory = sqlite3.Row
            return db.execute(f"SELECT * FROM requests WHERE {where} ORDER BY received_at", values).fetchall()  # noqa: S608

    def count(self, where: str = "1", values: tuple[Any, ...] = ()) -> int:
        """Return how many rows fit."""
        with closing(self._connect()) as db:
            return int(db.execute(f"SELECT count(*) FROM requests WHERE {where}", values).fetchone()[0])  # noqa: S608

    def clear(self, now_us: int) -> None:
        """Forget everything, requests that are still to be answered included."""
        with self._clearing, closing(self._connect()) as db, db:
            self._since_us = now_us
            db.execute("DELETE FROM requests")

    def close(self) -> None:
        """Write what waits and stop."""
        self._waiting.put(None)
        self._thread.join(timeout=5)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=30)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def _run(self) -> None:
        db = self._connect()
        insert = f"INSERT INTO requests VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
        while (item := self._waiting.get()) is not None:
            batch = [item]
            while not self._waiting.empty() and len(batch) < 256:
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                batch.append(following)
            with self._clearing, db:
                db.executemany(insert, [row for rows, _ in batch for row in rows if row[_RECEIVED] >= self._since_us])
            for _, done in batch:
                if done is not None:
                    done.get_loop().call_soon_threadsafe(_finish, done)
        db.close()


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
