"""Group commit: many small transactions share one commit, and none of them can spoil the others.

One thread writes. Whatever waits is taken together, each item runs under a savepoint of its own, one commit makes all
durable, and only then is anybody told. If the commit fails nobody was told, so nothing leaves.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tasks.ledger.errors import LedgerError, LedgerUnavailableError
from tasks.ledger.opening import queue as write_queue
from tasks.ledger.said import ROW_FAULTS, said

T = TypeVar("T")
Work = Callable[[Connection], Any]
MOST_TOGETHER: Final = 256


class Writer:
    """The ledger's only way to write, from any thread or event loop of this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()
        self._closed = False
        self._closing = threading.Lock()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue `work`; the future is done when its effects are durable, or holds the exception it raised."""
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise LedgerError("the ledger is closed")
            self._waiting.put((work, future))
        return future

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` durably and return its result, from a thread that may wait."""
        return self.submit(work).result()

    async def awrite(self, work: Callable[[Connection], T]) -> T:
        """Run `work` durably and return its result, from an event loop; a cancelled waiter does not cancel the work."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        """Finish what waits and stop the thread."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection: Connection | None = None
        while batch := self._take():
            connection = self._commit(connection, batch)
        if connection is not None:
            connection.close()

    def _take(self) -> list[tuple[Work, Future[Any]]]:
        items = [self._waiting.get()]
        while len(items) < MOST_TOGETHER and items[-1] is not None:
            try:
                items.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        if items[-1] is None and len(items) > 1:
            self._waiting.put(None)
        return [item for item in items if item is not None]

    def _commit(self, connection: Connection | None, batch: list[tuple[Work, Future[Any]]]) -> Connection | None:
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with write_queue(self._engine):
                connection = connection or self._engine.connect()
                with connection.begin():
                    done = [(future, *_under_savepoint(connection, work)) for work, future in batch]
        except Exception as error:  # noqa: BLE001  # whatever it was, all are told; none may wait for ever
            if connection is not None:
                connection.invalidate()
                connection.close()
            _tell_all(batch, LedgerUnavailableError(f"the ledger can't be written: {said(error)}"))
            return None
        for future, result, failure in done:
            _tell(future, result, failure)
        return connection


def _under_savepoint(connection: Connection, work: Work) -> tuple[Any, BaseException | None]:
    connection.exec_driver_sql("SAVEPOINT item")
    try:
        result = work(connection)
    except ROW_FAULTS as error:
        connection.exec_driver_sql("ROLLBACK TO item")
        return None, LedgerError(f"the ledger refused a row: {said(error)}")
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001  # handed to the waiter as it is
        connection.exec_driver_sql("ROLLBACK TO item")
        return None, error
    connection.exec_driver_sql("RELEASE item")
    return result, None


def _tell(future: Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.cancelled() or not future.set_running_or_notify_cancel():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)


def _tell_all(batch: list[tuple[Work, Future[Any]]], failure: BaseException) -> None:
    for _, future in batch:
        _tell(future, None, failure)
