"""What a database said, in one line that holds no statement and no value."""

from __future__ import annotations

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

ROW_FAULTS = (IntegrityError, DataError, ProgrammingError)
"""What is wrong with one row; its neighbours in a commit may be fine. Everything else is wrong with the database."""


def said(error: BaseException) -> str:
    """Return the database's own first line; for a fault of a row only its name, since the line may quote the row."""
    cause = getattr(error, "orig", None) or error
    if isinstance(error, ROW_FAULTS):
        return type(cause).__name__
    if isinstance(error, DBAPIError | OSError):
        return next(iter(str(cause).strip().splitlines()), type(cause).__name__)
    return type(error).__name__
