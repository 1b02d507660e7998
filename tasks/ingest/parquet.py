"""Parquet, batch by batch; every value becomes text, and a floating-point number stays marked as one."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ingest.errors import InputError
from tasks.ingest.table import Row, Table, number_text

ROWS: Final = 10_000
BUFFER: Final = 1 << 20
MOST_GROUP: Final = 2 << 30
"""Bytes of one row group, unpacked: what has to be held at once."""


def read_parquet(file: str, stream: BinaryIO) -> Table:
    """Read Parquet; rows are numbered as if the headings were row 1.

    Raises:
        InputError: not Parquet, or damaged; also later, while rows are read.
    """
    try:
        table = pq.ParquetFile(pa.PythonFile(stream, mode="r"), pre_buffer=False, buffer_size=BUFFER)
        names = list(table.schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError):
        raise InputError(file, "not a Parquet file that can be read") from None
    if any(table.metadata.row_group(at).total_byte_size > MOST_GROUP for at in range(table.num_row_groups)):
        raise InputError(file, "a row group of more than 2 GB: write it in smaller ones")
    return Table("parquet", names, _rows(file, table))


def _rows(file: str, table: pq.ParquetFile) -> Iterator[tuple[int, Row]]:
    number = 1
    try:
        for batch in table.iter_batches(ROWS, use_threads=False):
            for row in zip(*map(_texts, batch.columns), strict=True):
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, ValueError):
        raise InputError(file, "a damaged Parquet file", row=number + 1) from None


def _texts(column: pa.Array) -> Sequence[str]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            return [value or "" for value in column.to_pylist()]
        except UnicodeDecodeError:
            column = column.cast(pa.large_binary())
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return "" if math.isnan(value) else number_text(value)  # pandas writes a blank as NaN
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return str(value)
