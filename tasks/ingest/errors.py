"""A source that can not be planned."""

from __future__ import annotations


class InputError(Exception):
    """An input, or the whole source, can not be read: which file, row and column, what to do; never a value."""

    def __init__(self, file: str, problem: str, *, row: int | None = None, column: str = "") -> None:
        where = f", row {row}" if row is not None else ""
        which = f", column {column}" if column else ""
        super().__init__(f"{file}{where}{which}: {problem}")
        self.file = file
        self.row = row
        self.column = column
        self.problem = problem
