"""A source prefix: its inputs listed, pinned, and read one after the other in whatever form each is written."""

from __future__ import annotations

import datetime as dt
import string
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import BinaryIO, Final

from tasks.ingest.columns import Columns, is_heading, recognise
from tasks.ingest.control import control_key, declared_inputs
from tasks.ingest.delimited import read_delimited
from tasks.ingest.enough import check_rows, check_total
from tasks.ingest.errors import IncompleteError, InputError, ReplacedError
from tasks.ingest.jsonl import read_jsonl
from tasks.ingest.parquet import read_parquet
from tasks.ingest.pinned import PinnedInput, opened, pin
from tasks.ingest.rows import TEMPLATE_FIELDS, record_of
from tasks.ingest.table import BadRow, Table
from tasks.ingest.unpack import bare, unpacked
from tasks.ingest.xlsx import read_xlsx
from tasks.privacy import Personal, file_names
from tasks.records import Outcome, Reason, Record, RejectedRow
from tasks.records.inputs import UNREADABLE, Inputs, Reading
from tasks.records.layout import Layout
from tasks.settings import Source
from tasks.storage import Store

TOGETHER: Final = 5_000
BLANK: Final = " \t\r\n\f\v\u00a0\u3000\x00\x1a"
"""A row of nothing else is none: old systems end a file with 1A, and fill it up with 00."""

_PLAIN: Final = Layout()


def read_source(
    store: Store, source: Source, layout: Layout = _PLAIN, on: dt.date | None = None
) -> Iterator[list[Record | RejectedRow]]:
    """Yield the rows of all inputs in batches of up to 5,000.

    Args:
        store: the store below the source prefix.
        source: patterns, columns, encoding and delimiter.
        layout: what else there is to know of it.
        on: the business date, for a layout with partitions.

    Raises:
        InputError: there is no input; or one is empty, can't be read, lacks a column, or is no longer what was pinned.
    """
    return read_inputs(store, pin_source(store, source, layout, on), source, layout)


def read_profile(
    store: Store, source: Source, on: dt.date, recent: Sequence[int] = (), told: Inputs | None = None
) -> Iterator[list[Record | RejectedRow]]:
    """Yield the rows of a profile's source for a business date; see `read_source`.

    Args:
        store: the store below the source prefix.
        source: the profile's section.
        on: the business date.
        recent: the rows of earlier nights, for `rows_within_pct`.
        told: takes how each input was read.

    Raises:
        IncompleteError: also where the source is not what its control file says, empty, or far from `recent`.
    """
    layout = Layout(**source.layout.model_dump())
    rows = 0
    for batch in read_inputs(store, pin_complete(store, source, layout, on, told), source, layout, told):
        rows += len(batch)
        yield batch
    check_total(store.uri, rows, recent, within_pct=source.rows_within_pct)


def pin_source(
    store: Store, source: Source, layout: Layout = _PLAIN, on: dt.date | None = None, told: Inputs | None = None
) -> list[PinnedInput]:
    """Return the inputs of a source, pinned; with a partition in the layout, those of the business date."""
    partition = on.strftime(layout.partition) if layout.partition and on else ""
    return pin(store, source.include, partition=partition, told=told)


def pin_complete(
    store: Store, source: Source, layout: Layout, on: dt.date, told: Inputs | None = None
) -> list[PinnedInput]:
    """Return what the control file names, pinned; without one, or where it only says that all has come, what is there.

    Raises:
        IncompleteError: the control file has not come, or does not agree with what is there.
    """
    if not source.control.file:
        return pin_source(store, source, layout, on, told)
    key = control_key(source.control.file, on)
    return declared_inputs(store, key) or [
        item for item in pin_source(store, source, layout, on, told) if item.key != key
    ]


def read_inputs(
    store: Store,
    inputs: Sequence[PinnedInput],
    source: Source,
    layout: Layout = _PLAIN,
    told: Inputs | None = None,
) -> Iterator[list[Record | RejectedRow]]:
    """Yield the rows of pinned inputs in batches of up to 5,000; see `read_source`.

    An input that can't be read becomes one withheld row, as does the rest of one that breaks off; unless the profile
    says otherwise, a control file names it, or there is no other.
    """
    told = told or Inputs()
    failed: list[InputError] = []
    batch: list[Record | RejectedRow] = []
    for item, name in zip(inputs, file_names(item.key for item in inputs), strict=True):
        for row in _read_or_withheld(store, item, name, source, layout, failed, told):
            batch.append(row)
            if len(batch) >= TOGETHER:
                yield batch
                batch = []
    if failed and len(failed) == len(inputs):
        raise failed[0]
    if batch:
        yield batch


def _read_or_withheld(
    store: Store, item: PinnedInput, name: str, source: Source, layout: Layout, failed: list[InputError], told: Inputs
) -> Iterator[Record | RejectedRow]:
    rows, begun = 0, False
    try:
        with table_of(store, item, source, layout) as table:
            columns = columns_of(item.key, table, source, layout)
            begun = True
            told.read(name, reading_of(table))
            for row in records_of(name, table, columns, layout):
                rows += 1
                yield row
        check_rows(item, rows)
    except (IncompleteError, ReplacedError):
        raise
    except InputError as error:
        if source.control.file or source.bad_files == "stop":
            raise
        failed.append(error)
        if not begun:
            told.read(name, Reading(UNREADABLE))
        place = Record(name, error.row or 0, Personal(""))
        yield RejectedRow(place, Outcome.WITHHELD, Reason.UNREADABLE_FILE, error.column, error.problem)


def reading_of(table: Table) -> Reading:
    """Return how a table was read."""
    if not table.delimiter:
        return Reading(table.form, table.encoding)
    marked = table.guessed and table.encoding in {"utf-8-sig", "utf-16"}
    known_by = "mark" if marked else "bytes" if table.guessed else "profile"
    return Reading(table.form, table.encoding.removesuffix("-sig"), known_by, table.delimiter)


def records_of(file: str, table: Table, columns: Columns, layout: Layout = _PLAIN) -> Iterator[Record | RejectedRow]:
    """Yield a table's rows as records or rejected rows; blank ones are left out."""
    for number, row in table.rows:
        if isinstance(row, BadRow) or any(row):
            found = record_of(file, number, row, columns, layout)
            if isinstance(found, Record) or isinstance(row, BadRow) or any(cell.strip(BLANK) for cell in row):
                yield found


def columns_of(file: str, table: Table, source: Source, layout: Layout = _PLAIN) -> Columns:
    """Return which column is which.

    Raises:
        InputError: see `recognise`; or a key template names what is no field.
    """
    for template in layout.media_keys.values():
        if not _named(template) <= set(TEMPLATE_FIELDS):
            raise InputError(file, f"a key template may name {', '.join(TEMPLATE_FIELDS)} and nothing else")
    return recognise(file, table.headings, source.columns)


def _named(template: str) -> set[str]:
    """Return the fields that a template names; one that can't be read names nothing that there is."""
    try:
        return {name for _text, name, _spec, _conversion in string.Formatter().parse(template) if name is not None}
    except ValueError:
        return {template}


@contextmanager
def table_of(store: Store, item: PinnedInput, source: Source, layout: Layout = _PLAIN) -> Iterator[Table]:
    """Open one input by the ending of its name, for as long as the context lasts.

    Raises:
        InputError: it can't be read as what its name says.
    """
    with ExitStack() as stack:
        yield _table(
            item.key,
            lambda: stack.enter_context(closing(unpacked(item.key, opened(store, item), item.size))),
            source,
            layout,
        )


def _table(file: str, stream: Callable[[], BinaryIO], source: Source, layout: Layout) -> Table:
    name = bare(file)
    tells = lambda row: is_heading(row, source.columns)  # noqa: E731
    if name.endswith(".parquet"):
        return read_parquet(file, stream())
    if name.endswith(".xlsx"):
        return read_xlsx(file, stream(), tells, layout.sheet)
    if name.endswith((".jsonl", ".ndjson")):
        return read_jsonl(file, stream())
    delimiter = source.delimiter or ("\t" if name.endswith(".tsv") else "")
    return read_delimited(
        file, stream, encoding=source.encoding, delimiter=delimiter, headings=layout.headings, is_heading=tells
    )
