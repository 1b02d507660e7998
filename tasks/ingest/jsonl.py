"""JSON by line: one object a row; the headings are all keys of the first thousand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import orjson

from tasks.ingest.errors import InputError
from tasks.ingest.table import BadRow, Row, Table, number_text

MOST_LINE: Final = 1 << 20
FIRST: Final = 1_000

_Object = dict[str, Any] | BadRow


def read_jsonl(file: str, stream: BinaryIO) -> Table:
    """Read JSON lines in UTF-8, with or without a byte-order mark.

    Raises:
        InputError: not one object among the first thousand lines.
    """
    objects = _objects(stream)
    first = list(itertools.islice(objects, FIRST))
    headings = list(dict.fromkeys(key for _number, item in first if isinstance(item, dict) for key in item))
    if not headings:
        raise InputError(file, "no JSON object in its first lines" if first else "the file is empty")
    return Table("jsonl", headings, _rows(itertools.chain(first, objects), headings), encoding="utf-8")


def _rows(objects: Iterator[tuple[int, _Object]], headings: list[str]) -> Iterator[tuple[int, Row]]:
    for number, item in objects:
        yield number, item if isinstance(item, BadRow) else [_text(item.get(heading)) for heading in headings]


def _objects(stream: BinaryIO) -> Iterator[tuple[int, _Object]]:
    for number, line in enumerate(iter(lambda: stream.readline(MOST_LINE), b""), start=1):
        if len(line) == MOST_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(MOST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, BadRow(f"longer than {MOST_LINE} bytes")
        elif line.strip(b" \t\r\n\xef\xbb\xbf"):
            yield number, _object(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)


def _object(line: bytes) -> _Object:
    try:
        item = orjson.loads(line)
    except orjson.JSONDecodeError:
        return BadRow("not JSON, or broken encoding")
    return item if isinstance(item, dict) else BadRow("not a JSON object")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number_text(value)
    return str(value) if type(value) is int else orjson.dumps(value).decode()
