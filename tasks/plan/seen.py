"""Questions met while planning, kept on disk: memory stays flat however many records a source holds."""

from __future__ import annotations

import sqlite3
import tempfile
from types import TracebackType
from typing import Self


class Seen:
    """Remembers which record asked a question first; only keyed hashes are kept."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ivs-plan-")
        self._db = sqlite3.connect(f"{self._folder.name}/seen.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE seen (question TEXT PRIMARY KEY, record_ref TEXT) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def first(self, question: str, record_ref: str) -> str:
        """Return the record that asked `question` first: `record_ref` itself, or an earlier one."""
        taken = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (question, record_ref)).rowcount
        if taken:
            return record_ref
        found = self._db.execute("SELECT record_ref FROM seen WHERE question = ?", (question,)).fetchone()
        return str(found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._folder.cleanup()
