"""Parquet, batch by batch; every value becomes text, and a floating-point number stays marked as one."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.ingest.errors import InputError
from tasks.ingest.table import Row, Table, number_text

ROWS: Final = 10_000
BUFFER: Final = 1 << 20
WIDEST: Final = 1_000
MOST_GROUP: Final = 2 << 30
"""Bytes of one row group, unpacked: what has to be held at once."""


def read_parquet(file: str, stream: BinaryIO) -> Table:
    """Read Parquet; rows are numbered as if the headings were row 1.

    Text is held as it is written, each value once, and lists are not read: a file of some kilobytes may repeat a long
    value without end.

    Raises:
        InputError: not Parquet, or damaged; also later, while rows are read.
    """
    source = pa.PythonFile(stream, mode="r")
    try:
        schema = pq.read_schema(source)
        names = [field.name for field in schema if _is_flat(field.type)]
        table = pq.ParquetFile(
            source,
            pre_buffer=False,
            buffer_size=BUFFER,
            read_dictionary=[field.name for field in schema if _is_text(field.type)],
        )
    except (pa.ArrowException, OSError, ValueError):
        raise InputError(file, "not a Parquet file that can be read") from None
    if any(table.metadata.row_group(at).total_byte_size > MOST_GROUP for at in range(table.num_row_groups)):
        raise InputError(file, "a row group of more than 2 GB: write it in smaller ones")
    return Table("parquet", names, _rows(file, table, names))


def _is_flat(kind: pa.DataType) -> bool:
    """Tell whether a column can hold a record's text: no lists and the like, and nothing that is wide by its type."""
    return not pa.types.is_nested(kind) and not (pa.types.is_fixed_size_binary(kind) and kind.byte_width > WIDEST)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _rows(file: str, table: pq.ParquetFile, names: list[str]) -> Iterator[tuple[int, Row]]:
    number = 1
    try:
        for batch in table.iter_batches(ROWS, columns=names, use_threads=False):
            flat = [column for field, column in zip(batch.schema, batch.columns, strict=True) if _is_flat(field.type)]
            for row in zip(*map(_texts, flat), strict=True):
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, ValueError):
        raise InputError(file, "a damaged Parquet file", row=number + 1) from None


def _texts(column: pa.Array) -> Sequence[str]:
    if pa.types.is_dictionary(column.type):
        if (pc.max(pc.binary_length(column.dictionary)).as_py() or 0) > WIDEST:
            known = [*_texts(column.dictionary), ""]
            return [known[-1 if place is None else place] for place in column.indices.to_pylist()]
        column = column.dictionary_decode()
    if _is_text(column.type) and not pa.types.is_binary(column.type):
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
