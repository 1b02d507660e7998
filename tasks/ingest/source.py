"""A source prefix: its inputs listed, pinned by ETag, and read one after the other."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Final

from tasks.ingest import csv_rows, parquet_rows
from tasks.ingest.columns import recognise
from tasks.ingest.errors import InputError
from tasks.ingest.rows import record_of
from tasks.records import Record, RejectedRow
from tasks.settings import Source
from tasks.storage import Changed, Missing, Store

TOGETHER: Final = 5_000

Rows = Iterator[tuple[int, list[str]]]


@dataclass(frozen=True, slots=True)
class PinnedInput:
    """One input as found: nothing but these bytes will be read."""

    key: str
    etag: str
    size: int
    version_id: str = ""


def pin(store: Store, include: Sequence[str]) -> list[PinnedInput]:
    """Return the source's inputs whose names fit one of the patterns, by key.

    Raises:
        InputError: there is none.
    """
    found = [
        PinnedInput(info.key, info.etag, info.size, info.version_id)
        for info in store.list()
        if any(fnmatch.fnmatch(info.key.rsplit("/", 1)[-1], pattern) for pattern in include)
    ]
    if not found:
        raise InputError(store.uri, f"no input fits {', '.join(include)}: check source.records and source.include")
    return sorted(found, key=lambda item: item.key)


def read_source(store: Store, source: Source) -> Iterator[list[Record | RejectedRow]]:
    """Yield the rows of all inputs in batches of up to 5,000.

    Raises:
        InputError: an input is empty, can't be read, lacks a column, or is no longer the one that was pinned.
    """
    batch: list[Record | RejectedRow] = []
    for item in pin(store, source.include):
        for row in read_input(store, item, source):
            batch.append(row)
            if len(batch) >= TOGETHER:
                yield batch
                batch = []
    if batch:
        yield batch


def read_input(store: Store, item: PinnedInput, source: Source) -> Iterator[Record | RejectedRow]:
    """Yield one input's rows; see `read_source`."""
    with closing(_opened(store, item)) as stream:
        lines = raw_rows(store, item, stream, source)
        heading = next(lines, None)
        if heading is None:
            raise InputError(item.key, "the file has no heading")
        columns = recognise(item.key, heading[1], source.columns)
        width = len(heading[1])
        for number, row in lines:
            if any(cell.strip() for cell in row):
                yield record_of(item.key, number, row, columns, width)


def raw_rows(store: Store, item: PinnedInput, stream: BinaryIO, source: Source) -> Rows:
    """Return one input's rows as text, the heading first."""
    if item.key.lower().endswith(".parquet"):
        return parquet_rows.rows(item.key, stream)
    return csv_rows.rows(item.key, stream, form_of(store, item, source))


def form_of(store: Store, item: PinnedInput, source: Source) -> csv_rows.TextForm:
    """Return a text input's encoding and delimiter."""
    sample = store.get_range(item.key, 0, csv_rows.SAMPLE_BYTES - 1, if_match=item.etag) if item.size else b""
    return csv_rows.detect(item.key, sample, encoding=source.encoding, delimiter=source.delimiter)


def _opened(store: Store, item: PinnedInput) -> BinaryIO:
    try:
        return store.open(item.key, if_match=item.etag)
    except (Changed, Missing):
        raise InputError(item.key, "the file was changed or removed after it was listed: run again") from None
