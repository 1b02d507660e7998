"""A source that can't be planned."""

from __future__ import annotations


class InputError(Exception):
    """A whole input, or the source itself, can't be read: which file, which row or column, what to do; never a value."""

    def __init__(self, file: str, problem: str, *, row: int | None = None, column: str = "") -> None:
        where = f", row {row}" if row is not None else ""
        which = f", column {column}" if column else ""
        super().__init__(f"{file}{where}{which}: {problem}")
        self.file = file
        self.row = row
        self.column = column
        self.problem = problem
