"""Conservation: outcomes add up to input rows, by file, chunk, operation and cost centre, or the run fails itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DIMENSIONS: Final = ("source_file", "chunk", "performed_check", "cost_centre")


class NotConservedError(Exception):
    """Rows were lost or doubled: which count, what it should be, what it is."""


@dataclass(slots=True)
class Tally:
    """Counts planned rows on one side and results on the other, independently."""

    planned: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in DIMENSIONS})
    ended: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in DIMENSIONS})
    outcomes: Counter[str] = field(default_factory=Counter)
    refs: int = 0
    money: int = 0
    calls: int = 0

    def plan(self, row: Mapping[str, Any]) -> None:
        """Count a planned row."""
        for name in DIMENSIONS:
            self.planned[name][str(row[name])] += 1

    def end(self, row: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Count a result row; its chunk is the plan's, all else its own."""
        self.refs += 1
        self.outcomes[str(result["outcome"])] += 1
        for name in DIMENSIONS:
            self.ended[name][str(row[name] if name == "chunk" else result[name])] += 1

    def check(self, planned_files: Mapping[str, int], planned_chunks: Mapping[int, int]) -> None:
        """Compare all counts with each other and with what the plan's hash covers.

        Raises:
            NotConservedError: a count differs.
        """
        _same("source_file", Counter(planned_files), self.planned["source_file"])
        chunks = Counter({str(chunk): count for chunk, count in planned_chunks.items()})
        asked = Counter({chunk: count for chunk, count in self.planned["chunk"].items() if chunk != "-1"})
        _same("chunk", chunks, asked)
        for name in DIMENSIONS:
            _same(name, self.planned[name], self.ended[name])
        if sum(self.outcomes.values()) != sum(planned_files.values()):
            raise NotConservedError("outcomes do not add up to the input rows")

    def check_calls(self, calls_in_ledger: int) -> None:
        """Check that every call the ledger holds for the run stands behind a row.

        Raises:
            NotConservedError: a call belongs to no row of the plan.
        """
        if self.calls != calls_in_ledger:
            raise NotConservedError(f"{calls_in_ledger} calls in the ledger, {self.calls} behind rows")


def _same(what: str, wanted: Counter[str], found: Counter[str]) -> None:
    for key in wanted.keys() | found.keys():
        if wanted[key] != found[key]:
            raise NotConservedError(f"{what}: {wanted[key]} rows planned, {found[key]} accounted for")
