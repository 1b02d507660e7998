"""What a source looks like, before anything is planned: forms, recognised columns, counts and the first problems."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tasks.ingest.columns import shown
from tasks.ingest.errors import InputError
from tasks.ingest.pinned import PinnedInput
from tasks.ingest.source import columns_of, pin_source, records_of, table_of
from tasks.records import Record, RejectedRow
from tasks.records.layout import Layout
from tasks.settings import Source
from tasks.storage import Store

FIRST: Final = 5


@dataclass(frozen=True, slots=True)
class FileReport:
    """One input: how it was read, and what was found in it. Problems name rows and columns, never values.

    `recognised` maps each field to the heading it was found under.
    """

    file: str
    form: str
    recognised: Mapping[str, str]
    ignored: tuple[str, ...]
    rows: int
    rejected: int
    problems: Mapping[str, int]
    warnings: Mapping[str, int]
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """All inputs of a source, and what is wrong with those that can't be read."""

    files: tuple[FileReport, ...]
    unreadable: tuple[str, ...]


@dataclass(slots=True)
class _Counts:
    rows: int = 0
    rejected: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def take(self, row: Record | RejectedRow) -> None:
        self.rows += 1
        if isinstance(row, RejectedRow):
            self.rejected += 1
            self._note(row.record.source_row, row.column, row.detail or row.reason.value)
            return
        self.warnings.update(row.warnings)
        for column, problem in row.problems:
            self._note(row.source_row, column, problem)

    def _note(self, row: int, column: str, problem: str) -> None:
        what = f"{column}: {problem}" if column else problem
        self.problems[what] += 1
        if len(self.first) < FIRST:
            self.first.append(f"row {row}, {what}")


def inspect_source(
    store: Store, source: Source, layout: Layout | None = None, on: dt.date | None = None
) -> SourceReport:
    """Read a whole source and say what was recognised; nothing is planned, nothing is asked.

    Raises:
        InputError: there is no input at all.
    """
    layout = layout or Layout()
    files, unreadable = [], []
    for item in pin_source(store, source, layout, on):
        try:
            files.append(_inspect(store, item, source, layout))
        except InputError as error:
            unreadable.append(str(error))
    return SourceReport(tuple(files), tuple(unreadable))


def _inspect(store: Store, item: PinnedInput, source: Source, layout: Layout) -> FileReport:
    counts = _Counts()
    with table_of(store, item, source, layout) as table:
        columns = columns_of(item.key, table, source, layout)
        for row in records_of(item.key, table, columns, layout):
            counts.take(row)
    return FileReport(
        file=item.key,
        form=table.form,
        recognised={name: shown(table.headings[place]) for name, place in columns.places.items()},
        ignored=columns.ignored,
        rows=counts.rows,
        rejected=counts.rejected,
        problems=dict(counts.problems.most_common()),
        warnings=dict(counts.warnings),
        first=tuple(counts.first),
    )
