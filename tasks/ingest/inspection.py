"""What a source looks like, before anything is planned: forms, recognised columns, counts and the first problems."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

from tasks.ingest.columns import recognise
from tasks.ingest.errors import InputError
from tasks.ingest.source import PinnedInput, form_of, pin, raw_rows, read_input
from tasks.records import RejectedRow
from tasks.settings import Source
from tasks.storage import Store

FIRST = 5


@dataclass(slots=True)
class FileReport:
    """One input: how it was read, and what was found in it. Problems name rows and columns, never values."""

    file: str
    form: str
    recognised: tuple[str, ...]
    ignored: tuple[str, ...]
    rows: int = 0
    rejected: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SourceReport:
    """All inputs of a source, and what is wrong with those that can't be read."""

    files: list[FileReport]
    unreadable: list[str]


def inspect_source(store: Store, source: Source) -> SourceReport:
    """Read a whole source and say what was recognised; nothing is planned, nothing is asked."""
    files, unreadable = [], []
    for item in pin(store, source.include):
        try:
            files.append(_inspect(store, item, source))
        except InputError as error:
            unreadable.append(str(error))
    return SourceReport(files, unreadable)


def _inspect(store: Store, item: PinnedInput, source: Source) -> FileReport:
    report = _headed(store, item, source)
    for row in read_input(store, item, source):
        report.rows += 1
        if isinstance(row, RejectedRow):
            report.rejected += 1
            _note(report, row.record.source_row, row.column, row.detail or row.reason.value)
        else:
            for column, problem in row.problems:
                _note(report, row.source_row, column, problem)
    return report


def _headed(store: Store, item: PinnedInput, source: Source) -> FileReport:
    parquet = item.key.lower().endswith(".parquet")
    form = None if parquet else form_of(store, item, source)
    with closing(store.open(item.key, if_match=item.etag)) as stream:
        heading = next(raw_rows(store, item, stream, source), (1, []))[1]
    columns = recognise(item.key, heading, source.columns)
    said = "parquet" if form is None else f"{form.encoding}, delimiter {form.delimiter!r}"
    return FileReport(item.key, said, tuple(columns.places), columns.ignored)


def _note(report: FileReport, row: int, column: str, problem: str) -> None:
    report.problems[f"{column}: {problem}" if column else problem] += 1
    if len(report.first) < FIRST:
        report.first.append(f"row {row}" + (f", {column}" if column else "") + f": {problem}")
