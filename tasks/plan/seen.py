"""What was met while planning, kept on disk: memory stays flat however many records a source holds."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

TOGETHER: Final = 500
_SETTINGS: Final = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16000")


class Seen:
    """Remembers which record asked a question first, and what a customer's first row said; keyed hashes only.

    The key of what rows say is drawn for one plan and held in memory alone.

    Args:
        within: where the file lies for as long as the plan is made; a system's own place for such may be memory.
    """

    def __init__(self, within: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ivs-plan-", dir=within)
        self._key = os.urandom(32)
        self._db = sqlite3.connect(f"{self._folder.name}/seen.sqlite", isolation_level=None)
        for setting in _SETTINGS:
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute("CREATE TABLE questions (question TEXT PRIMARY KEY, record_ref TEXT) WITHOUT ROWID")
        self._db.execute("CREATE TABLE customers (customer BLOB PRIMARY KEY, said BLOB, place TEXT) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def firsts(self, asked: Sequence[tuple[str, str]]) -> list[str]:
        """Return, for each question and record, the record that asked the question first: itself, or an earlier one."""
        if self._all_new("INSERT OR IGNORE INTO questions VALUES (?, ?)", asked):
            return [ref for _question, ref in asked]
        found = dict(self._found("SELECT question, record_ref FROM questions WHERE question IN", asked))
        return [found[question] for question, _ref in asked]

    def conflicts(self, rows: Sequence[tuple[str, Sequence[str], str]]) -> list[str]:
        """Return, for each row, where its customer's first row is if that says something else; else an empty text.

        Args:
            rows: the customer's key, what the row says of the person, and the row's place.
        """
        marked = [(self._mark(customer), self._mark(*said), place) for customer, said, place in rows]
        if self._all_new("INSERT OR IGNORE INTO customers VALUES (?, ?, ?)", marked):
            return [""] * len(marked)
        found = {
            customer: (said, place)
            for customer, said, place in self._found("SELECT * FROM customers WHERE customer IN", marked)
        }
        firsts = [found[customer] for customer, _said, _place in marked]
        return [place if other != said else "" for (_, said, _), (other, place) in zip(marked, firsts, strict=True)]

    def _all_new(self, insert: str, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Insert rows in the order of their keys, of equal keys the first; tell whether there was none of them yet."""
        before = self._db.total_changes
        self._db.executemany(insert, sorted(rows, key=itemgetter(0)))
        return self._db.total_changes - before == len(rows)

    def _found(self, select: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        keys = sorted({row[0] for row in rows})
        for start in range(0, len(keys), TOGETHER):
            part = keys[start : start + TOGETHER]
            yield from self._db.execute(f"{select} ({','.join('?' * len(part))})", part)

    def _mark(self, *texts: str) -> bytes:
        data = "\x1f".join(texts).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=16).digest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._folder.cleanup()
