"""XLSX: the heading found below a title block, every cell as text, numbers that lost digits marked."""

from __future__ import annotations

import datetime as dt
import itertools
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from tasks.ingest.errors import InputError
from tasks.ingest.table import Table, number_text

TITLE_ROWS: Final = 30
MOST_UNPACKED: Final = 1_500_000_000
"""A million rows of twelve columns unpack to about 600 MB; what unpacks to more is not a table of records."""

PIECE: Final = 1 << 20
UNREADABLE: Final = "not an XLSX file that can be read, or protected by a password"
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


def read_xlsx(file: str, stream: BinaryIO, is_heading: Callable[[Sequence[str]], bool], sheet: str = "") -> Table:
    """Read the one sheet in which a heading is found among the first rows, or the sheet that was named.

    Raises:
        InputError: not XLSX, protected, too large when unpacked, no such sheet, no heading, or several sheets with one.
    """
    _check_size(file, stream)
    try:
        book = CalamineWorkbook.from_filelike(stream)
        sheets = (book.get_sheet_by_name(name) for name in book.sheet_names if not sheet or name == sheet)
        return _table(file, [(held, at) for held in sheets if (at := _heading(held, is_heading)) is not None], sheet)
    except (CalamineError, ValueError, OSError):
        raise InputError(file, UNREADABLE) from None


def _table(file: str, found: list[tuple[CalamineSheet, int]], sheet: str) -> Table:
    if not found:
        missing = f"no sheet {sheet!r} with" if sheet else "no sheet with"
        raise InputError(file, f"{missing} a row of headings among its first {TITLE_ROWS}: map customer_no")
    if len(found) > 1:
        raise InputError(file, "several sheets hold records: name one in the layout")
    ((held, at),) = found
    rows = _rows(held)
    _number, heading = next(itertools.islice(rows, at, None))
    return Table(f"XLSX, heading in row {at + 1}", heading, rows)


def _heading(sheet: CalamineSheet, is_heading: Callable[[Sequence[str]], bool]) -> int | None:
    first = itertools.islice(_rows(sheet), TITLE_ROWS)
    return next((number - 1 for number, row in first if is_heading(row)), None)


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    start = sheet.start[0] if sheet.start else 0
    blank = ((number, [""]) for number in range(1, start + 1))
    cells = ((number, [_text(cell) for cell in row]) for number, row in enumerate(sheet.iter_rows(), start=start + 1))
    return itertools.chain(blank, cells)


def _check_size(file: str, stream: BinaryIO) -> None:
    """Unpack once without keeping anything: what a packed file says about its own size may be a lie."""
    left = MOST_UNPACKED
    try:
        with zipfile.ZipFile(stream) as packed:
            for name in packed.namelist():
                with packed.open(name) as part:
                    while piece := part.read(PIECE):
                        left -= len(piece)
                        if left < 0:
                            raise InputError(file, f"unpacks to more than {MOST_UNPACKED} bytes")
    except _DAMAGED:
        raise InputError(file, UNREADABLE) from None
    stream.seek(0)


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        return number_text(float(cell))
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    return str(cell)
