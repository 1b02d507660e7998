"""Delimited text: encoding and delimiter found or given, read line by line in bounded memory, every value text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from tasks.ingest.errors import InputError

SAMPLE_BYTES: Final = 1_000_000
MOST_CELL: Final = 1_000_000
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS: Final = (",", "\t", ";", "|", "\x01")


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a text file is written."""

    encoding: str
    delimiter: str


def detect(file: str, sample: bytes, *, encoding: str = "", delimiter: str = "") -> TextForm:
    """Return a file's form from its first bytes: a byte-order mark, else strict UTF-8, else GB18030.

    Raises:
        InputError: neither fits, or the file is empty.
    """
    if not sample.strip():
        raise InputError(file, "the file is empty")
    found = encoding or _encoding(file, sample)
    text = codecs.getincrementaldecoder(found)(errors="strict").decode(sample, final=False)
    heading = text.splitlines()[0] if text.splitlines() else ""
    return TextForm(found, delimiter or max(_DELIMITERS, key=heading.count))


def rows(file: str, stream: BinaryIO, form: TextForm) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line it ends on, the heading included.

    Raises:
        InputError: bytes that are not in the encoding, or quotes that never close; the row is named.
    """
    text = io.TextIOWrapper(io.BufferedReader(_Raw(stream), 1 << 20), encoding=form.encoding, newline="")
    csv.field_size_limit(MOST_CELL)
    reader = csv.reader(text, delimiter=form.delimiter, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):  # told in the errors below
            yield number, row
    except UnicodeDecodeError:
        raise InputError(
            file, f"not {form.encoding} text: set source.encoding in the profile", row=number + 1
        ) from None
    except csv.Error:
        raise InputError(file, "a quote that never closes, or a cell over 1 MB", row=number + 1) from None


def _encoding(file: str, sample: bytes) -> str:
    for mark, name in _BOMS:
        if sample.startswith(mark):
            return name
    for name in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(name)(errors="strict").decode(sample, final=False)
        except UnicodeDecodeError:
            continue
        return name
    raise InputError(file, "neither UTF-8 nor GB18030 text: set source.encoding in the profile")


class _Raw(io.RawIOBase):
    """A store's stream as a raw file, whatever it offers besides `read`."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than typeshed's buffer
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
