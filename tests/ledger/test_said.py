"""What a database says of itself is passed on in one line; what it says of a row may quote the row, and is not."""

from __future__ import annotations

import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError

from tasks.ledger import Ledger, LedgerError, LedgerUnavailableError
from tasks.ledger.postgres import Session
from tasks.ledger.said import said
from tests.databases import Database, Server
from tests.ledger.test_ledger import opened, taken


def test_a_refused_row_is_named_without_its_values(database: Database) -> None:
    ledger = opened(database)
    taken(ledger)
    statement = text("INSERT INTO switches (name, value) VALUES (:name, :value)")
    ledger.write(lambda c: c.execute(statement, {"name": "secret-name", "value": "v"}))
    with pytest.raises(LedgerError, match="refused a row") as told:
        ledger.write(lambda c: c.execute(statement, {"name": "secret-name", "value": "v"}))
    assert not isinstance(told.value, LedgerUnavailableError), "the database is well: to wait would not help"
    assert "secret" not in str(told.value)
    ledger.close()
    ledger.close()


def test_what_no_database_said_is_only_named() -> None:
    assert said(InvalidRequestError("SELECT secret")) == "InvalidRequestError"
    assert said(ValueError("secret")) == "ValueError"
    assert said(OSError(28, "No space left on device")) == "[Errno 28] No space left on device"


def test_without_its_driver_postgresql_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerUnavailableError, match="extra `postgres`"):
        Ledger("postgresql://u@127.0.0.1:1/d", bound_to={})


def test_a_session_on_a_server_that_is_gone_says_so(database: Database) -> None:
    if not isinstance(database, Server):
        return
    ledger = opened(database)
    database.server.stop()
    try:
        for ask in (lambda: Session(ledger._engine), lambda: ledger.owner.is_alive("other")):
            with pytest.raises(LedgerUnavailableError, match="can't be reached") as told:
                ask()
            assert "\n" not in str(told.value)
    finally:
        database.server.start()
    ledger.close()
