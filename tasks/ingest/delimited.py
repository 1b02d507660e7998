"""Delimited text in bounded memory. What is wrong with a row is that row's problem; the next ones are read.

A title above the heading is passed over, as in a spreadsheet, and so is a line ``sep=;`` meant for a spreadsheet. What
was written as ``="00123"``, so that it stays text, is that text.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO, Final

from tasks.ingest.encodings import detect
from tasks.ingest.errors import InputError
from tasks.ingest.table import TITLE_ROWS, BadRow, Row, Table

Tells = Callable[[Sequence[str]], bool]

MOST_LINE: Final = 131_072
MOST_LINES: Final = 100
"""A quoted cell with more lines than this is a quote that somebody forgot to close."""

_DELIMITERS: Final = (",", "\t", ";", "|", "\x01", "\x1b", "\x1d", "\x1f")
_AS_TEXT: Final = re.compile('="([^"]*)"')
_UNCLOSED: Final = "a quote that is not closed, or text after one"
_TOO_LONG: Final = f"longer than {MOST_LINE} characters"


def read_delimited(
    file: str,
    stream: Callable[[], BinaryIO],
    *,
    encoding: str = "",
    delimiter: str = "",
    headings: Sequence[str] = (),
    is_heading: Tells = lambda _row: False,
) -> Table:
    """Read delimited text. Bytes that are not in the encoding become U+FFFD, which no rule lets pass.

    Args:
        file: the input's name, for errors.
        stream: opens it; called twice, and whoever gives it closes it.
        encoding: empty: told from the bytes.
        delimiter: empty: told from the heading. One of several characters parts cells even inside quotes, which are
            taken off a whole cell.
        headings: what the columns are where no row says it; a first row that does is left out all the same.
        is_heading: tells a heading among the first rows; where none is found it is the first row that is not blank.

    Raises:
        InputError: empty, of no known encoding, or without a heading.
    """
    with closing(stream()) as sample:
        name, text = detect(file, sample, encoding)
    delimiter = delimiter or _sniffed(text, is_heading)
    rows = _numbered(stream, name, delimiter)
    told: dict[str, Any] = {"encoding": name, "guessed": not encoding, "delimiter": delimiter}
    first = list(itertools.islice(rows, 1 if headings else TITLE_ROWS))
    found = [(number, row) for number, row in first if not isinstance(row, BadRow) and is_heading(row)]
    if headings:
        return Table("delimited", headings, rows if found else itertools.chain(first, rows), **told)
    number, heading = found[0] if found else _first_row(file, first)
    below = [item for item in first if item[0] > number]
    return Table("delimited", heading, itertools.chain(below, rows), number, **told)


def _first_row(file: str, rows: list[tuple[int, Row]]) -> tuple[int, Sequence[str]]:
    for number, row in rows:
        if isinstance(row, BadRow):
            raise InputError(file, f"the heading can't be read: {row.problem}")
        if any(cell.strip() for cell in row):
            return number, row
    raise InputError(file, "the file has no heading")


def _sniffed(text: str, is_heading: Tells) -> str:
    """Return what parts the heading, or the first line that is not blank where none is found."""
    lines = [line.strip("\ufeff\r\n ") for line in itertools.islice(io.StringIO(text[:MOST_LINE]), TITLE_ROWS)]
    told = (one for line in lines for one in _DELIMITERS if one in line and is_heading(_bare(line, one)))
    first = next(filter(None, lines), "")
    return next(told, "") or max(_DELIMITERS, key=first.count)


def _bare(line: str, delimiter: str) -> list[str]:
    return [cell.strip('="') for cell in line.split(delimiter)]


def _numbered(stream: Callable[[], BinaryIO], encoding: str, delimiter: str) -> Iterator[tuple[int, Row]]:
    with io.TextIOWrapper(stream(), encoding=encoding, errors="replace", newline="") as text:
        lines = _Lines(text)
        rows = _quoted(lines, delimiter) if len(delimiter) == 1 else _parted(lines, delimiter)
        yield from enumerate(rows, start=1)


def _quoted(lines: _Lines, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.forget()
        try:
            row = next(reader)
            yield list(map(_as_text, row)) if lines.mention('="') else row
        except StopIteration:
            return
        except _TooLongError:
            yield BadRow(_TOO_LONG)
        except (csv.Error, _TooManyError):
            lines.give_back()
            yield BadRow(_UNCLOSED)


def _as_text(cell: str) -> str:
    found = _AS_TEXT.fullmatch(cell)
    return found[1] if found else cell


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _parted(lines: _Lines, delimiter: str) -> Iterator[Row]:
    while True:
        lines.forget()
        try:
            yield list(map(_unquoted, next(lines).rstrip("\r\n").split(delimiter)))
        except StopIteration:
            return
        except _TooLongError:
            yield BadRow(_TOO_LONG)


class _TooLongError(Exception):
    """A line over the limit; it has been skipped."""


class _TooManyError(Exception):
    """A row over too many lines."""


class _Lines:
    """A text's lines, of bounded length; those after the first of a row can be given back."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._back: deque[str] = deque()
        self._taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._text.readline(MOST_LINE)
        if not line:
            raise StopIteration
        self._taken.append(line)
        if len(line) >= MOST_LINE and line[-1] not in "\r\n":
            self._skip()
            raise _TooLongError
        if len(self._taken) > MOST_LINES:
            raise _TooManyError
        return line

    def forget(self) -> None:
        """Begin a new row."""
        self._taken.clear()

    def mention(self, text: str) -> bool:
        """Tell whether a text stands in the row's lines."""
        return any(text in line for line in self._taken)

    def give_back(self) -> None:
        """Read the row's lines after the first once more, as rows of their own."""
        self._back.extendleft(reversed(self._taken[1:]))

    def _skip(self) -> None:
        while (line := self._text.readline(MOST_LINE)) and line[-1] not in "\r\n":
            pass
