"""The ledger as the steps see it: opened once per process, read and written through a few named methods."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import BigInteger, Connection, Engine, Row, cast, func, select
from sqlalchemy.exc import SQLAlchemyError

from tasks.ledger import calls as call_rows
from tasks.ledger import decided, halts, marks
from tasks.ledger import doubts as doubt_rows
from tasks.ledger import owners as owner_rows
from tasks.ledger import runs as run_rows
from tasks.ledger.budget import Cap, open_scopes
from tasks.ledger.calls import Departure, Ending, Price
from tasks.ledger.copying import copy_to
from tasks.ledger.errors import LedgerError, LedgerUnavailableError, StoppedError
from tasks.ledger.opening import open_database, prepare
from tasks.ledger.postgres import settings_that_forget
from tasks.ledger.said import said
from tasks.ledger.schema import budget, calls, decisions, quota, switches, unsent
from tasks.ledger.standing import Standing
from tasks.ledger.voids import refuse_void
from tasks.ledger.writer import Writer

T = TypeVar("T")
TOGETHER: Final = 500
PATIENCE_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""The pauses in which a database that went away may come back, before an answer is given up."""

_CHINA_US: Final = 8 * 3_600_000_000


def now_us() -> int:
    """Return the wall clock in microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


class Ledger:
    """One open ledger.

    Args:
        url: SQLAlchemy URL.
        bound_to: endpoint and project this ledger belongs to.
        locks: folder of the owners' lock files; beside the SQLite file by default.
        clock_us: the wall clock, in microseconds; a server's own is reckoned from it.
        owner_name: what this process is called; a random name by default.
        writer: what writes; a thread with group commit by default.

    Raises:
        WrongLedgerError, LedgerUnavailableError: see `opening`.
    """

    def __init__(
        self,
        url: str,
        *,
        bound_to: dict[str, str],
        locks: Path | None = None,
        clock_us: Callable[[], int] = now_us,
        owner_name: str = "",
        writer: Callable[[Engine], Writer] = Writer,
    ) -> None:
        database = open_database(url, clock_us, locks)
        self._engine = database.engine
        self.clock_us = database.clock_us
        self.ledger_id = prepare(self._engine, bound_to)
        self._readers = self._engine.execution_options(reading=True)
        self.owner = database.own(owner_name)
        self._writer = writer(self._engine)
        self._closed = False
        self.recovered = self._recover()

    def close(self) -> None:
        """Finish what waits to be written, and let go; once is enough."""
        if self._closed:
            return
        self._closed = True
        with suppress(LedgerError):
            self.write(lambda c: owner_rows.end(c, self.owner.name, self.clock_us()))
        self._writer.close()
        self._engine.dispose()
        self.owner.release()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run a read in a transaction of its own.

        Raises:
            LedgerUnavailableError: the database can't be read.
        """
        try:
            with self._readers.connect() as connection, connection.begin():
                return work(connection)
        except SQLAlchemyError as error:
            raise LedgerUnavailableError(f"the ledger can't be read: {said(error)}") from None

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run a write and wait until it is durable."""
        return self._writer.write(work)

    async def awrite(self, work: Callable[[Connection], T]) -> T:
        """Run a write and wait until it is durable, from an event loop."""
        return await self._writer.awrite(work)

    # --- calls -----------------------------------------------------------------------------------------------------

    async def depart(self, call: Departure, standing: Standing | None = None) -> None:
        """Write a call as `sent`; see `calls.depart` for what may refuse it."""
        await self.awrite(partial(call_rows.depart, call=call, standing=standing))

    async def end(self, call: Departure, ending: Ending, price: Price) -> None:
        """Write how a call ended; a database that is away is waited for, since the answer comes but once."""
        await self._patiently(partial(call_rows.end, call=call, ending=ending, price=price))

    async def withdraw(self, call: Departure) -> None:
        """Take back a call that let no byte go."""
        await self._patiently(partial(call_rows.withdraw, call=call, ended_us=self.clock_us()))

    def calls_of(self, run_id: str, refs: Sequence[str]) -> list[Row[Any]]:
        """Return a run's calls for some records, oldest first."""
        return self.read(lambda c: _in_parts(refs, partial(call_rows.of_records, c, run_id)))

    def calls_about(self, questions: Sequence[str]) -> list[Row[Any]]:
        """Return all calls of some questions, oldest first."""
        return self.read(lambda c: _in_parts(questions, partial(call_rows.of_questions, c)))

    def calls_named(self, names: Sequence[str]) -> list[Row[Any]]:
        """Return calls by their ids, whichever run made them."""
        return self.read(lambda c: _in_parts(names, partial(call_rows.named, c)))

    def ended_by_chunk(self, run_id: str) -> Counter[int]:
        """Count the records of each chunk of a run that need no further call."""
        return self.read(partial(call_rows.ended_by_chunk, run_id=run_id))

    def unsent_of(self, run_id: str, refs: Sequence[str]) -> dict[str, Row[Any]]:
        """Return what is written of a run's records where none of its calls decided, by record."""

        def fetch(c: Connection, part: Sequence[str]) -> list[Row[Any]]:
            chosen = select(unsent).where(unsent.c.run_id == run_id, unsent.c.record_ref.in_(part))
            return list(c.execute(chosen))

        rows = self.read(lambda c: _in_parts(refs, partial(fetch, c)))
        return {row.record_ref: row for row in rows}

    # --- runs ------------------------------------------------------------------------------------------------------

    def claim(self, new: run_rows.Claim) -> bool:
        """Claim a plan once; False where another start was first."""
        return self.write(partial(run_rows.claim, new=new))

    def run(self, run_id: str) -> run_rows.RunRow:
        """Return a run.

        Raises:
            LedgerError: there is none with that id.
        """
        row = self.read(partial(run_rows.by_id, run_id=run_id))
        if row is None:
            raise LedgerError(f"no run {run_id!r} in this ledger: see `ivs-backfill runs`")
        return row

    def newest_run(self, profile: str, source: str, business_date: dt.date) -> run_rows.RunRow | None:
        """Return a business date's run with the highest sequence, or None."""
        return self.read(partial(run_rows.newest, profile=profile, source=source, business_date=business_date))

    def left_behind(self, profile: str, until: dt.date) -> list[run_rows.RunRow]:
        """Return a profile's runs up to a date that were never closed and whose owner is dead, oldest first."""
        found = self.read(partial(run_rows.unfinished, profile=profile, until=until))
        return [row for row in found if not row.owner or not self.owner.is_alive(row.owner)]

    def runs(self, profile: str | None = None, most: int = 50) -> list[run_rows.RunRow]:
        """Return the latest runs, newest first."""
        return self.read(partial(run_rows.listed, profile=profile, most=most))

    def take(self, run_id: str, caps: Iterable[Cap], *, since_us: int | None = None, again: bool = False) -> int:
        """Become the run's owner under the profile's caps, and return the epoch.

        Args:
            run_id: the run.
            caps: what its calls are booked under.
            since_us: when this start was first made: what was cancelled since is not taken.
            again: for a redrive, after which a run that was stopped is still stopped for its reason.

        Raises:
            RunBusyError: a living process owns it.
            StoppedError: it was cancelled since, or its plan is rejected.
            LedgerError: it is void.
        """

        def work(connection: Connection) -> int:
            refuse_void(connection, run_id)
            row = run_rows.by_id(connection, run_id)
            alive = bool(row and row.owner) and self.owner.is_alive(str(row.owner if row else ""))
            if since_us is not None and halts.cancelled_since(connection, run_id, since_us):
                raise StoppedError("cancelled")
            if row is not None and not again and decided.verdict(connection, row.plan_hash) == "reject":
                raise StoppedError("not_approved")
            owner = run_rows.Taker(self.owner.name, self.clock_us(), again=again)
            epoch = run_rows.take(connection, run_id, owner, owner_is_alive=alive)
            open_scopes(connection, list(caps))
            return epoch

        return self.write(work)

    # --- totals ----------------------------------------------------------------------------------------------------

    def counts(self, run_id: str = "", *, owner: str = "") -> list[Row[Any]]:
        """Count a run's calls, or an owner's, by operation, state, answer, charge and outcome, with their money."""
        of = calls.c.run_id == run_id if run_id else calls.c.owner == owner
        keys = (calls.c.operation, calls.c.state, calls.c.answer, calls.c.charge, calls.c.outcome)
        chosen = (
            select(*keys, func.count().label("n"), cast(func.sum(calls.c.price_micros), BigInteger).label("micros"))
            .where(of)
            .group_by(*keys)
        )
        return self.read(lambda c: list(c.execute(chosen)))

    def cost_groups(self, run_id: str) -> list[Row[Any]]:
        """Return a run's calls counted for the cost report; `day` counts days since 1970 in the provider's zone."""
        day = ((calls.c.sent_us + _CHINA_US) // 86_400_000_000).label("day")
        keys = (
            day, calls.c.month, calls.c.org_code, calls.c.cost_centre, calls.c.family, calls.c.operation,
            calls.c.state, calls.c.answer, calls.c.charge, calls.c.outcome, calls.c.status, calls.c.verification_code,
        )  # fmt: skip
        chosen = (
            select(*keys, func.count().label("n"), cast(func.sum(calls.c.price_micros), BigInteger).label("micros"))
            .where(calls.c.run_id == run_id)
            .group_by(*keys)
        )
        return self.read(lambda c: list(c.execute(chosen)))

    def booked(self, scope: str) -> Row[Any] | None:
        """Return a budget scope's row, or None where nothing was booked yet."""
        return self.read(lambda c: c.execute(select(budget).where(budget.c.scope == scope)).first())

    def month_calls(self, month: str) -> dict[str, int]:
        """Return the certain calls of a month so far, by family."""
        chosen = (
            select(calls.c.family, func.count().label("n"))
            .where(calls.c.month == month, calls.c.charge == "certain")
            .group_by(calls.c.family)
        )
        return {row.family: row.n for row in self.read(lambda c: list(c.execute(chosen)))}

    def call_count(self) -> int:
        """Return how many calls this ledger holds."""
        return int(self.read(lambda c: c.execute(select(func.count()).select_from(calls)).scalar_one()))

    def careless(self) -> list[str]:
        """Return the server's settings by which it may forget what it has said to be durable; none on SQLite."""
        return self.read(settings_that_forget)

    def make_mark(self, mark: str) -> None:
        """Make a mark that an older copy of this ledger lacks; see `tasks.marker`."""
        self.write(lambda c: marks.make(c, mark, self.clock_us()))

    def has_mark(self, mark: str) -> bool:
        """Tell whether a mark was made in this ledger."""
        return self.read(lambda c: marks.has(c, mark))

    def throttled(self) -> int:
        """Return how often the provider has throttled us, over the life of this ledger."""
        total = select(func.coalesce(func.sum(quota.c.throttled), 0))
        return int(self.read(lambda c: c.execute(total).scalar_one()))

    # --- decisions -------------------------------------------------------------------------------------------------

    def decide(self, kind: str, target: str, *, who: str, why: str, decision: str) -> None:
        """Record what a person ordered."""
        values = {"decision": decision, "kind": kind, "target": target, "who": who, "why": why}
        self.write(lambda c: c.execute(decisions.insert().values(**values, at_us=self.clock_us())))

    def doubts(self) -> list[Row[Any]]:
        """Return the calls that wait for a person: in doubt or unreadable, and not decided."""
        return self.read(doubt_rows.waiting)

    def decide_doubt(self, call_id: str, kind: str, *, who: str, why: str, decision: str) -> None:
        """Settle one waiting call by a person's decision: ``resend`` or ``write-off``; see `doubts`.

        Raises:
            LedgerError: no such call waits.
        """
        self.write(
            partial(
                doubt_rows.decide,
                call_id=call_id,
                kind=kind,
                who=who,
                why=why,
                decision=decision,
                now_us=self.clock_us(),
            )
        )

    def story(self, record_ref: str) -> tuple[list[Row[Any]], list[Row[Any]]]:
        """Return all calls of a record, and what is written of it where none decided, over all runs."""
        return self.read(lambda c: doubt_rows.story(c, record_ref))

    def halt(self, value: str) -> None:
        """Stop every call of every process from now on, or let them go again (empty value)."""
        self.write(partial(run_rows.set_switch, name="halt", value=value))

    def halted(self) -> str:
        """Return why everything is halted, or an empty text."""
        chosen = select(switches.c.value).where(switches.c.name == "halt")
        return self.read(lambda c: c.execute(chosen).scalar()) or ""

    def backup(self, path: Path) -> None:
        """Copy the whole ledger into an SQLite file that does not exist yet; see `copying`."""
        copy_to(self._readers, path)

    async def _patiently(self, work: Callable[[Connection], None]) -> None:
        for pause in PATIENCE_S:
            try:
                return await self.awrite(work)
            except LedgerUnavailableError:
                await asyncio.sleep(pause)
        return await self.awrite(work)

    # --- recovery --------------------------------------------------------------------------------------------------

    def _recover(self) -> int:
        """Become an owner, end the dead ones, put in doubt what they left `sent`, and return how many calls it was."""

        def work(connection: Connection) -> int:
            now = self.clock_us()
            owner_rows.register(connection, self.owner.name, host=socket.gethostname(), pid=os.getpid(), now_us=now)
            dead = [owner for owner in owner_rows.unended(connection) if not self.owner.is_alive(owner)]
            for owner in dead:
                owner_rows.end(connection, owner, now)
            return sum(call_rows.doubt_all_of(connection, owner, now) for owner in dead)

        return self.write(work)


def _in_parts(keys: Sequence[str], fetch: Callable[[Sequence[str]], list[Row[Any]]]) -> list[Row[Any]]:
    return [row for start in range(0, len(keys), TOGETHER) for row in fetch(keys[start : start + TOGETHER])]
