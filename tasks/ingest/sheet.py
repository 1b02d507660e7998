"""The rows of one XLSX sheet as they come by: nothing is held but the row being read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import IO, Final

from tasks.ingest.markup import Seen, parse
from tasks.ingest.table import BadRow, Row, number_text
from tasks.ingest.workbook import MOST_CELL, Workbook, unescaped

MOST_SHEET: Final = 4_000_000_000
"""The XML of 1,048,576 rows, which a sheet has at most, with 40 columns."""

MOST_COLUMNS: Final = 1_000
UNREAD: Final = "\ufffd"
"""What stands for a cell that holds an error, or a number that is none; no rule lets it pass."""

_DAY_ONE: Final = dt.datetime(1899, 12, 30)  # noqa: DTZ001  # a spreadsheet's dates have no zone
_DAY_ONE_1904: Final = dt.datetime(1904, 1, 1)  # noqa: DTZ001
_TRUTH: Final = {"0": "False", "1": "True"}


def sheet_rows(book: Workbook, part: IO[bytes]) -> Iterator[tuple[int, Row]]:
    """Yield the rows that hold anything, each with its number.

    Raises:
        EndlessError: the sheet's XML is longer than that of any sheet.
        ExpatError, IndexError, ValueError: damaged.
    """
    rows = _Rows(book)
    for _ in parse(part, Seen(rows.start, rows.end, rows.letters), most=MOST_SHEET):
        yield from rows.taken()


class _Rows:
    """Puts cells together to rows."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._ready: list[tuple[int, Row]] = []
        self._number = 0
        self._cells: dict[int, str] = {}
        self._problem = ""
        self._place = -1
        self._kind = self._style = ""
        self._parts: list[str] = []
        self._length = 0
        self._taking = self._spoken = False

    def taken(self) -> list[tuple[int, Row]]:
        """Return the rows that are whole, and forget them."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, tag: str, told: Mapping[str, str]) -> None:
        if tag == "c":
            self._begin_cell(told)
        elif tag in {"v", "t"}:
            self._taking = not self._spoken
        elif tag == "row":
            self._number = int(told.get("r", self._number + 1))
            self._place = -1
        elif tag == "rPh":
            self._spoken = True

    def letters(self, text: str) -> None:
        if self._taking and self._length <= MOST_CELL:
            self._parts.append(text)
            self._length += len(text)

    def end(self, tag: str) -> None:
        if tag == "c":
            self._end_cell()
        elif tag in {"v", "t"}:
            self._taking = False
        elif tag == "row":
            self._end_row()
        elif tag == "rPh":
            self._spoken = False

    def _begin_cell(self, told: Mapping[str, str]) -> None:
        self._kind, self._style = told.get("t", "n"), told.get("s", "")
        where = told.get("r")
        self._place = _column(where) if where else self._place + 1
        self._parts.clear()
        self._length = 0

    def _end_cell(self) -> None:
        if not self._parts:
            return
        if self._place >= MOST_COLUMNS:
            self._problem = f"more than {MOST_COLUMNS} columns"
            return
        text = self._text("".join(self._parts))
        if len(text) > MOST_CELL:
            self._problem = f"a cell longer than {MOST_CELL} characters"
            return
        self._cells[self._place] = text

    def _end_row(self) -> None:
        if self._problem:
            self._ready.append((self._number, BadRow(self._problem)))
        elif self._cells:
            row = [""] * (max(self._cells) + 1)
            for place, text in self._cells.items():
                row[place] = text
            self._ready.append((self._number, row))
        self._cells.clear()
        self._problem = ""

    def _text(self, value: str) -> str:
        if self._kind == "s":
            return unescaped(self._book.strings[int(value)])
        if self._kind in {"inlineStr", "str"}:
            return unescaped(value)
        if self._kind == "n":
            return self._number_text(value)
        if self._kind == "b":
            return _TRUTH.get(value, UNREAD)
        return value.removesuffix("T00:00:00") if self._kind == "d" else UNREAD

    def _number_text(self, value: str) -> str:
        try:
            number = float(value)
            return self._moment(number) if self._style in self._book.dates else number_text(number)
        except (ValueError, OverflowError):
            return UNREAD

    def _moment(self, number: float) -> str:
        if self._book.from_1904:
            moment = _DAY_ONE_1904 + dt.timedelta(days=number)
        else:  # 1900 was no leap year, but spreadsheets count its 29 February as day 60
            moment = _DAY_ONE + dt.timedelta(days=number + (1 <= number < 60))
        moment = moment.replace(microsecond=0) + dt.timedelta(seconds=round(moment.microsecond / 1_000_000))
        if 0 <= number < 1:
            return moment.time().isoformat()
        return moment.date().isoformat() if moment.time() == dt.time() else str(moment)


def _column(where: str) -> int:
    """Return the place of a cell named like ``AB12``: 27."""
    place = 0
    for letter in where.rstrip("0123456789"):
        if not "A" <= letter <= "Z":
            raise ValueError("no cell is called so")
        place = place * 26 + ord(letter) - 64
    return place - 1
