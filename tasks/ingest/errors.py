"""A source that can not be planned."""

from __future__ import annotations

from tasks.privacy import shown


class InputError(Exception):
    """An input, or the whole source, can not be read: which file, row and column, what to do; never a value.

    A file's name may be somebody's number, so it stands here as `shown` tells it; a `whole` source's address does not.
    """

    def __init__(
        self, file: str, problem: str, *, row: int | None = None, column: str = "", whole: bool = False
    ) -> None:
        where = f", row {row}" if row is not None else ""
        which = f", column {column}" if column else ""
        self.file = file if whole else shown(file)
        super().__init__(f"{self.file}{where}{which}: {problem}")
        self.row = row
        self.column = column
        self.problem = problem


class IncompleteError(InputError):
    """The source is not what was announced, or not what it usually is; `may_come`: the rest may be on its way."""

    def __init__(self, file: str, problem: str, *, may_come: bool = False, whole: bool = False) -> None:
        super().__init__(file, problem, whole=whole)
        self.may_come = may_come


class ReplacedError(InputError):
    """An input is no longer the object that was pinned: the source is in motion, so nothing of it is planned."""
