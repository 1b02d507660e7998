"""What a source looks like, before anything is planned: forms, recognised columns, counts and the first problems."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tasks.ingest.errors import IncompleteError, InputError
from tasks.ingest.pinned import PinnedInput
from tasks.ingest.source import columns_of, pin_complete, pin_source, records_of, table_of
from tasks.privacy import shown
from tasks.records import Record, RejectedRow
from tasks.records.inputs import Inputs
from tasks.records.layout import Layout
from tasks.settings import Source
from tasks.storage import Store

FIRST: Final = 5
MOST_KINDS: Final = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """Where something is wrong, and what; never the value."""

    file: str
    row: int | None
    column: str
    problem: str


@dataclass(frozen=True, slots=True)
class FileReport:
    """One input: how it was read, and what was found in it.

    `recognised` maps each field to the heading it was found under, `ignored` are the headings that are no field's;
    `problems` and `warnings` count by kind, `first` are the first problems.
    """

    file: str
    bytes: int
    form: str
    encoding: str
    encoding_guessed: bool
    delimiter: str
    heading_row: int
    recognised: Mapping[str, str]
    ignored: tuple[str, ...]
    rows: int
    rejected: int
    with_problems: int
    problems: Mapping[str, int]
    warnings: Mapping[str, int]
    first: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """All inputs of a source, what is wrong with those that can't be read, and what keeps it from being whole.

    `others` counts the objects that are no inputs by the ending of their names.
    """

    source: str
    files: tuple[FileReport, ...]
    unreadable: tuple[Problem, ...]
    incomplete: str = ""
    others: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Counts:
    file: str
    rows: int = 0
    rejected: int = 0
    with_problems: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    first: list[Problem] = field(default_factory=list)

    def take(self, row: Record | RejectedRow) -> None:
        self.rows += 1
        if isinstance(row, RejectedRow):
            self.rejected += 1
            self._note(row.record.source_row, row.column, row.detail or row.reason.value)
            return
        self.with_problems += bool(row.problems)
        self.warnings.update(row.warnings)
        for column, problem in row.problems:
            self._note(row.source_row, column, problem)

    def _note(self, row: int, column: str, problem: str) -> None:
        what = f"{column}: {problem}" if column else problem
        self.problems[what if what in self.problems or len(self.problems) < MOST_KINDS else "others"] += 1
        if len(self.first) < FIRST:
            self.first.append(Problem(self.file, row, column, problem))


def inspect_source(
    store: Store, source: Source, layout: Layout | None = None, on: dt.date | None = None
) -> SourceReport:
    """Read a whole source and say what was recognised; nothing is planned, nothing is asked.

    What a control file says is told, and not waited for; then the inputs that are there are looked at.

    Raises:
        InputError: there is no input at all.
    """
    layout = layout or Layout(**source.layout.model_dump())
    told = Inputs()
    inputs, incomplete = _inputs(store, source, layout, on, told)
    files, unreadable = [], []
    for item in inputs:
        try:
            files.append(_inspect(store, item, source, layout))
        except InputError as error:
            unreadable.append(Problem(error.file, error.row, error.column, error.problem))
    return SourceReport(store.uri, tuple(files), tuple(unreadable), incomplete, dict(told.others.most_common()))


def _inputs(
    store: Store, source: Source, layout: Layout, on: dt.date | None, told: Inputs
) -> tuple[list[PinnedInput], str]:
    if on is None:
        return pin_source(store, source, layout, told=told), ""
    try:
        return pin_complete(store, source, layout, on, told), ""
    except IncompleteError as error:
        told.others.clear()
        return pin_source(store, source, layout, on, told), str(error)


def _inspect(store: Store, item: PinnedInput, source: Source, layout: Layout) -> FileReport:
    counts = _Counts(shown(item.key))
    with table_of(store, item, source, layout) as table:
        columns = columns_of(item.key, table, source, layout)
        for row in records_of(item.key, table, columns, layout):
            counts.take(row)
    return FileReport(
        file=counts.file,
        bytes=item.size,
        form=table.form,
        encoding=table.encoding,
        encoding_guessed=table.guessed,
        delimiter=table.delimiter,
        heading_row=table.heading_row,
        recognised={name: shown(table.headings[place]) for name, place in columns.places.items()},
        ignored=columns.ignored,
        rows=counts.rows,
        rejected=counts.rejected,
        with_problems=counts.with_problems,
        problems=dict(counts.problems.most_common()),
        warnings=dict(counts.warnings.most_common()),
        first=tuple(counts.first),
    )
