"""How the rows ended that duplicates point to, kept on disk: a file delivered twice needs no more memory than once."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self


class Pointed:
    """Row references, verdicts and whether they are void, nothing else."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ivs-reconcile-")
        self._db = sqlite3.connect(f"{self._folder.name}/pointed.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE pointed (record_ref TEXT PRIMARY KEY, verdict TEXT, void INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def expect(self, refs: Iterable[str]) -> None:
        """Remember rows that duplicates point to."""
        self._db.executemany("INSERT OR IGNORE INTO pointed VALUES (?, NULL, 0)", ((ref,) for ref in refs))

    def note(self, ended: Iterable[tuple[str, str, bool]]) -> None:
        """Take rows, their verdicts and whether they are void, and keep those that are expected."""
        self._db.executemany("UPDATE pointed SET verdict = ?2, void = ?3 WHERE record_ref = ?1", ended)

    def of(self, refs: Sequence[str]) -> dict[str, tuple[str, bool]]:
        """Return the verdicts of expected rows that were noted, and whether they are void."""
        chosen = "SELECT * FROM pointed WHERE record_ref IN (SELECT value FROM json_each(?)) AND verdict IS NOT NULL"
        found = self._db.execute(chosen, (json.dumps(refs),))
        return {ref: (verdict, bool(void)) for ref, verdict, void in found}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._folder.cleanup()
