"""A plan being written: rows in input order, chunks by operation, counts, and the hash of what will be asked."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.records import OPERATIONS, Operation
from tasks.settings import Limits
from tasks.staging import CHUNKS, ROWS, Manifest, Part, Staging

ROWS_IN_PART: Final = 5_000


@dataclass(slots=True)
class _Open:
    """A chunk that is being filled."""

    number: int
    canary: bool
    rows: list[dict[str, Any]] = field(default_factory=list, repr=False)
    bytes: int = 0


class Draft:
    """Takes the plan's rows one by one and stages them in bounded parts.

    Args:
        staging: where parts go.
        limits: how large chunks may be.
        covers: what the hash covers besides the questions: policy, options, prices.
    """

    def __init__(self, staging: Staging, limits: Limits, covers: bytes) -> None:
        self._staging = staging
        self._limits = limits
        self._hash = hashlib.sha256(covers)
        self._rows: list[dict[str, Any]] = []
        self._parts: list[Part] = []
        self._chunks: list[Part] = []
        self._open: dict[tuple[str, bool], _Open] = {}
        self._next = 0
        self._canaries: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.saved: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.files: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()

    def keep(self, row: dict[str, Any], *, spared: str) -> None:
        """Take a row that will not be asked: rejected, withheld, duplicate or reused; `spared` is the call saved."""
        self._count(row)
        if spared:
            self.saved[row["disposition"]][spared] += 1
        self._add(row, -1)

    def ask(self, row: dict[str, Any], call: dict[str, Any]) -> None:
        """Take a row that will be asked, with what its call needs."""
        self._count(row)
        operation = call["operation"]
        self.asked[operation] += 1
        self._hash.update(f"{row['record_ref']}|{call['question']}|{operation}\n".encode())
        chunk = self._chunk_for(operation)
        chunk.rows.append(call)
        chunk.bytes += call["bytes"]
        self._add(row, chunk.number)
        if self._full(chunk, operation):
            self._stage((operation, chunk.canary))

    def finish(self) -> tuple[Manifest, str]:
        """Stage what is left, and return the manifest and the hash of the plan so far."""
        for key in sorted(self._open, key=lambda k: (not k[1], k[0])):
            if key in self._open:
                self._stage(key)
        self._flush()
        return self.staged(), self._hash.hexdigest()

    def staged(self) -> Manifest:
        """Return the parts staged so far, in the order in which they will be asked."""
        ordered = sorted(self._chunks, key=lambda part: (not part.canary, part.chunk))
        return Manifest(tuple(self._parts), tuple(ordered))

    def families(self) -> dict[str, int]:
        """Return the calls to be made, by family."""
        totals: Counter[str] = Counter()
        for operation, count in self.asked.items():
            totals[OPERATIONS[Operation(operation)].family.value] += count
        return dict(totals)

    def _count(self, row: dict[str, Any]) -> None:
        self.counts[row["disposition"]] += 1
        self.files[row["source_file"]] += 1
        self.noted["expired_document"] += row["id_expiry_status"] == "expired"
        self.noted["conflicting_data"] += bool(row["conflict_with"])
        self.noted["rotated"] += "rotated" in row["media_note"]
        self.noted["recompressed"] += "recompressed" in row["media_note"]

    def _chunk_for(self, operation: str) -> _Open:
        canary = self._canaries[operation] < self._limits.canary.records
        self._canaries[operation] += canary
        key = (operation, canary)
        if key not in self._open:
            self._open[key] = _Open(self._next, canary)
            self._next += 1
        return self._open[key]

    def _full(self, chunk: _Open, operation: str) -> bool:
        return len(chunk.rows) >= self._most(operation) or chunk.bytes >= self._limits.chunk_bytes

    def _most(self, operation: str) -> int:
        if self._limits.chunk_records:
            return self._limits.chunk_records
        rate = self._limits.rate_per_s.get(OPERATIONS[Operation(operation)].family, 10.0)
        return max(1, min(100_000, round(rate * self._limits.chunk_seconds)))

    def _stage(self, key: tuple[str, bool]) -> None:
        chunk = self._open.pop(key)
        name = f"chunk-{chunk.number:06d}.sealed"
        digest, _size = self._staging.write(name, chunk.rows, CHUNKS)
        self._chunks.append(Part(name, len(chunk.rows), digest, chunk.number, key[0], chunk.canary))

    def _add(self, row: dict[str, Any], chunk: int) -> None:
        row["chunk"] = chunk
        self._rows.append(row)
        if len(self._rows) >= ROWS_IN_PART:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            name = f"rows-{len(self._parts):06d}.sealed"
            digest, _size = self._staging.write(name, self._rows, ROWS)
            self._parts.append(Part(name, len(self._rows), digest))
            self._rows = []
