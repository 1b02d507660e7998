"""A copy of the whole ledger in one SQLite file, taken from one consistent view while writers go on.

It is itself a ledger: put in the place of the lost one it is opened, checked and upgraded like any other, and the
results' marker says whether it is the newest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tasks.ledger.errors import LedgerError
from tasks.ledger.said import said
from tasks.ledger.schema import metadata

TOGETHER: Final = 1_000


def copy_to(readers: Engine, path: Path) -> None:
    """Write a copy, 0600 and durable, to a file that does not exist yet.

    Raises:
        LedgerError: the file exists, or can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerError(f"no copy was made: {path}: {error.strerror}") from None
    try:
        _copy_file(readers, path) if readers.dialect.name == "sqlite" else _copy_rows(readers, path)
        _sync(path)
    except (SQLAlchemyError, OSError) as error:
        path.unlink(missing_ok=True)
        raise LedgerError(f"no copy was made: {said(error)}") from None


def _copy_file(readers: Engine, path: Path) -> None:
    with readers.execution_options(plain=True).connect() as connection:
        connection.exec_driver_sql("VACUUM INTO ?", (str(path),))


def _copy_rows(readers: Engine, path: Path) -> None:
    into = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with readers.connect() as source, source.begin(), into.begin() as target:
        metadata.create_all(target)
        for table in metadata.sorted_tables:
            _copy_table(source, target, table.name)


def _copy_table(source: Connection, target: Connection, name: str) -> None:
    table = metadata.tables[name]
    rows = source.execution_options(yield_per=TOGETHER).execute(select(table))
    for part in rows.mappings().partitions(TOGETHER):
        target.execute(table.insert(), [dict(row) for row in part])


def _sync(path: Path) -> None:
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
