"""XLSX: the heading found below a title block, every cell as text, numbers that lost digits marked.

Read as a stream by our own code: the libraries either hold a sheet whole (calamine takes 930 MB for a million rows, and
ends the process on two cells in far corners) or change text on the way (openpyxl).
"""

from __future__ import annotations

import itertools
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final
from xml.parsers.expat import ExpatError

from tasks.ingest.errors import InputError
from tasks.ingest.markup import EndlessError
from tasks.ingest.sheet import sheet_rows
from tasks.ingest.table import TITLE_ROWS, BadRow, Row, Table
from tasks.ingest.workbook import Workbook

UNREADABLE: Final = "no XLSX file that can be read: an old XLS, or protected by a password"
ENDLESS: Final = "unpacks to more than a workbook of records can hold: split it, or write CSV"
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError),
    *(ExpatError, ValueError, LookupError, StopIteration),
)


Found = tuple[str, int, Sequence[str]]
"""A sheet's part, the row its heading is in, and the heading."""


def read_xlsx(file: str, stream: BinaryIO, is_heading: Callable[[Sequence[str]], bool], sheet: str = "") -> Table:
    """Read the one sheet in which a heading is found among the first rows, or the sheet that was named.

    Cells to the right of the heading belong to no column and are left aside.

    Raises:
        InputError: not XLSX, protected, too large when unpacked, no such sheet, no heading, or several sheets with one;
            also later, while rows are read.
    """
    try:
        packed = zipfile.ZipFile(stream)
        book = Workbook(packed)
        named = [part for name, part in book.sheets.items() if sheet in {"", name}]
        found = [held for part in named for held in _heading(packed, book, part, is_heading)]
    except EndlessError:
        raise InputError(file, ENDLESS) from None
    except _DAMAGED:
        raise InputError(file, UNREADABLE) from None
    part, at, headings = _only(file, found, sheet)
    rows = _rows(file, packed, book, part)
    return Table("xlsx", headings, _below(rows, at, len(headings)), at)


def _only(file: str, found: list[Found], sheet: str) -> Found:
    if not found:
        missing = f"no sheet {sheet!r} with" if sheet else "no sheet with"
        raise InputError(file, f"{missing} a row of headings among its first {TITLE_ROWS}: map customer_no")
    if len(found) > 1:
        raise InputError(file, "several sheets hold records: name one in the layout")
    return found[0]


def _heading(
    packed: zipfile.ZipFile, book: Workbook, part: str, is_heading: Callable[[Sequence[str]], bool]
) -> list[Found]:
    with packed.open(part) as file:
        first = itertools.takewhile(lambda row: row[0] <= TITLE_ROWS, sheet_rows(book, file))
        fit = ((part, at, row) for at, row in first if not isinstance(row, BadRow) and is_heading(row))
        return list(itertools.islice(fit, 1))


def _rows(file: str, packed: zipfile.ZipFile, book: Workbook, part: str) -> Iterator[tuple[int, Row]]:
    number = 0
    try:
        with packed.open(part) as opened:
            for number, row in sheet_rows(book, opened):
                yield number, row
    except EndlessError:
        raise InputError(file, ENDLESS, row=number + 1) from None
    except _DAMAGED:
        raise InputError(file, "a damaged XLSX file", row=number + 1) from None


def _below(rows: Iterator[tuple[int, Row]], heading: int, width: int) -> Iterator[tuple[int, Row]]:
    for number, row in rows:
        if number > heading:
            yield number, row if isinstance(row, BadRow) else [*row[:width], *[""] * (width - len(row))]
