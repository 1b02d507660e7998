"""What every format becomes: headings, and rows of text with the number a person would count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

TITLE_ROWS: Final = 30
"""Among so many first rows a heading is looked for."""

EXACT: Final = 10**15
"""Whole numbers below this survive as a double; longer ones have lost digits."""


class FromNumber(str):
    """The text of a cell that held a floating-point number: leading zeros, and perhaps digits, are gone."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read at all; the next ones can."""

    problem: str


Row = Sequence[str] | BadRow


@dataclass(frozen=True, slots=True)
class Table:
    """One input as read: how it was written, its headings, and its rows numbered as a person counts them.

    `heading_row` is 0 where the file has none; `guessed`: its encoding was told from its bytes.
    """

    form: str
    headings: Sequence[str]
    rows: Iterator[tuple[int, Row]]
    heading_row: int = 0
    encoding: str = ""
    guessed: bool = False
    delimiter: str = ""


def number_text(value: float) -> FromNumber:
    """Return a double as text: ``12`` for 12.0, and what is too long to be exact as it stands."""
    return FromNumber(f"{value:.0f}" if abs(value) < EXACT and value.is_integer() else repr(value))
