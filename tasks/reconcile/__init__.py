"""Reconcile a run: plan and ledger joined into result tables that must add up; no task's return value is used."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from tasks.ledger import Ledger, RunRow
from tasks.ledger.runs import plan_of, stopped_for
from tasks.ledger.voids import any_void, of_run, voided_among
from tasks.reconcile.conserve import NotConservedError, Tally
from tasks.reconcile.exceptions import exception_rows
from tasks.reconcile.join import End, Facts, end_of, result_row
from tasks.reconcile.pointed import Pointed
from tasks.reconcile.tables import TableFiles
from tasks.reconcile.voided import Voided
from tasks.records import MAY_BE_ASKED_AGAIN, Outcome
from tasks.records.contracts import contract
from tasks.settings import Profile
from tasks.staging import Manifest, Staging
from tasks.text import Text

__all__ = ["NotConservedError", "Reconciled", "reconcile"]

Row = dict[str, Any]
_STILL_OPEN: Final = frozenset({Outcome.IN_DOUBT, Outcome.UNREADABLE})
"""What a person must decide about even where the row is void."""


@dataclass(slots=True)
class Reconciled:
    """What reconciling found: files written, outcomes, exceptions, rows that are void.

    `content` is a digest of what all rows say; `open_records` are those that may be asked again, by chunk.
    """

    files: dict[Path, int]
    outcomes: Counter[str]
    reasons: Counter[str]
    exceptions: Counter[str]
    first_exceptions: list[Row]
    money_by_outcome: Counter[str] = field(default_factory=Counter)
    content: str = ""
    open_records: dict[int, set[str]] = field(default_factory=dict)
    voided: int = 0


def reconcile(
    run: RunRow, *, revision: int, profile: Profile, ledger: Ledger, staging: Staging, folder: Path
) -> Reconciled:
    """Write a run's results and exceptions below `folder`.

    Raises:
        NotConservedError: rows or calls were lost or doubled.
        ContractError: a table is not what its contract says.
        StagingError: the staged plan is not what was claimed.
    """
    plan = plan_of(run)
    manifest = staging.manifest(plan["manifest_sha256"])
    text = Text(profile.language)
    facts = Facts(run.run_id, run.business_date, revision, stopped_for(run), profile.policy.reverify_days, text)
    voids = ledger.read(lambda c: Voided(plan["files"], of_run(c, run.run_id), anything=any_void(c)))
    join = _Join(run, facts, ledger, staging, manifest, voids)
    found = Reconciled({}, join.tally.outcomes, Counter(), Counter(), [])
    with (
        join.pointed,
        TableFiles(folder, contract("results"), text, xlsx_rows=profile.output.xlsx_rows) as results,
        TableFiles(folder, contract("exceptions"), text, xlsx_rows=profile.output.xlsx_rows) as exceptions,
    ):
        said = hashlib.sha256()
        for rows in join.results():
            results.write(rows)
            said.update(_said(rows))
            exceptions.write(_exceptions(rows, text, run, found))
        for table in (results, exceptions):
            table.note([*text.lines("report.consequence"), *text.lines("report.channel")])
    found.open_records, found.voided = join.open_records, join.voided
    join.tally.check(plan["files"], {part.chunk: part.rows for part in manifest.chunks})
    join.tally.check_calls(sum(row.n for row in ledger.counts(run.run_id)))
    found.content = said.hexdigest()
    found.files = {path: table.rows for table in (results, exceptions) for path in table.paths}
    return found


def _said(rows: list[Row]) -> bytes:
    """Return what rows say, whichever revision says it."""
    names = [name for name in contract("results").names if name != "revision"]
    return orjson.dumps([[row[name] for name in names] for row in rows])


def _exceptions(rows: list[Row], text: Text, run: RunRow, found: Reconciled) -> list[Row]:
    at_work = [result for result in rows if result["voided"] == "no" or result["outcome"] in _STILL_OPEN]
    raised = [row for result in at_work for row in exception_rows(result, text, run.business_date)]
    found.exceptions.update(row["class"] for row in raised)
    found.first_exceptions.extend(raised[: max(20 - len(found.first_exceptions), 0)])
    found.reasons.update(result["reason"] for result in rows if result["reason"])
    return raised


class _Join:
    """One pass over the staged rows."""

    def __init__(
        self, run: RunRow, facts: Facts, ledger: Ledger, staging: Staging, manifest: Manifest, voids: Voided
    ) -> None:
        self._run = run
        self._facts = facts
        self._ledger = ledger
        self._staging = staging
        self._manifest = manifest
        self._voids = voids
        self.pointed = Pointed()
        self.open_records: dict[int, set[str]] = {}
        self.voided = 0
        self.tally = Tally()

    def results(self) -> Iterator[list[Row]]:
        """Yield result rows, part by part; a duplicate carries the verdict of the row it points to."""
        for part in self._manifest.rows:
            self.pointed.expect(set(self._staging.read(part).column("duplicate_of").to_pylist()) - {""})
        for part in self._manifest.rows:
            rows: list[Row] = self._staging.read(part).to_pylist()
            ends = self._ends(rows)
            self._mark(rows, ends)
            yield [self._result(row, end) for row, end in zip(rows, ends, strict=True)]

    def _ends(self, rows: list[Row]) -> list[End]:
        calls: dict[str, list[Any]] = {}
        asked = [row["record_ref"] for row in rows if row["disposition"] == "ask"]
        for call in self._ledger.calls_of(self._run.run_id, asked):
            calls.setdefault(call.record_ref, []).append(call)
        written = self._ledger.unsent_of(self._run.run_id, asked)
        pointed = [unsent.open_call for unsent in written.values() if unsent.open_call]
        others = {call.call_id: call for call in self._ledger.calls_named(pointed)}
        ends = []
        for row in rows:
            ref = row["record_ref"]
            unsent = written.get(ref)
            other = others.get(unsent.open_call) if unsent else None
            ends.append(end_of(row, calls.get(ref, []), unsent, self._facts.stop, other))
        return ends

    def _mark(self, rows: list[Row], ends: list[End]) -> None:
        """Mark the rows that are void, and remember the records that are open."""
        relied = [str(row["relied_on_call"]) or end.points_to for row, end in zip(rows, ends, strict=True)]
        void_calls = self._void_among([name for name in relied if name])
        for row, end, name in zip(rows, ends, relied, strict=True):
            end.voided = self._voids.is_void(row, end) or name in void_calls
        self._repeat(rows, ends)
        for row, end in zip(rows, ends, strict=True):
            self.voided += end.voided
            if end.outcome in MAY_BE_ASKED_AGAIN and row["chunk"] >= 0:
                self.open_records.setdefault(row["chunk"], set()).add(row["record_ref"])

    def _repeat(self, rows: list[Row], ends: list[End]) -> None:
        """Give duplicates the verdict of the row they point to, which stands before them; they are void as it is."""
        ended = zip(rows, ends, strict=True)
        self.pointed.note((row["record_ref"], end.verdict or str(end.outcome), end.voided) for row, end in ended)
        targets = self.pointed.of([row["duplicate_of"] for row in rows if row["duplicate_of"]])
        for row, end in zip(rows, ends, strict=True):
            if end.outcome == Outcome.DUPLICATE:
                end.verdict, void = targets[row["duplicate_of"]]
                end.voided |= void

    def _void_among(self, names: list[str]) -> set[str]:
        return self._ledger.read(lambda c: voided_among(c, names)) if self._voids.anything and names else set()

    def _result(self, row: Row, end: End) -> Row:
        result = result_row(row, end, self._facts)
        self.tally.plan(row)
        self.tally.end(row, result)
        self.tally.calls += len(end.calls)
        return result
