"""Parquet, batch by batch; every value becomes text without loss, and floats in place of text are refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ingest.errors import InputError

ROWS: Final = 20_000
PIECE: Final = 4 << 20


def rows(file: str, stream: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the heading as row 1, then each row as text.

    Raises:
        InputError: not Parquet, or a column that holds floating-point numbers (an id number has lost digits there).
    """
    with tempfile.TemporaryFile(prefix="ivs-parquet-") as copy:
        while piece := stream.read(PIECE):
            copy.write(piece)
        copy.seek(0)
        try:
            table = pq.ParquetFile(copy)
            names = list(table.schema_arrow.names)
            _refuse_floats(file, table.schema_arrow)
            yield 1, names
            number = 1
            for batch in table.iter_batches(ROWS):
                for values in zip(*(_texts(column) for column in batch.columns), strict=True):
                    number += 1
                    yield number, list(values)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
            raise InputError(file, "not a Parquet file that can be read") from None


def _refuse_floats(file: str, schema: pa.Schema) -> None:
    for field in schema:
        if pa.types.is_floating(field.type):
            raise InputError(file, "holds floating-point numbers: write the column as text", column=field.name)


def _texts(column: pa.Array) -> list[str]:
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    return "" if value is None else value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
