"""What a life holds: the real runtime, ledger, pacers and client, with a writer that commits on the loop's clock."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property, partial
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from tasks.ivs.client import IvsClient
from tasks.ivs.signing import AkSkAuth
from tasks.ivs.tokens import TokenAuth
from tasks.ledger import Ledger
from tasks.ledger.writer import MOST_TOGETHER, Writer
from tasks.privacy import Secret
from tasks.quota import Pacer
from tasks.runtime import Runtime
from tests.seeds.clockwork import ClockworkLoop, GoneError, Life
from tests.seeds.provider import FakeWire, Provider


class StepWriter(Writer):
    """The real group commit, a moment later on the loop instead of in a thread; the life may end around it."""

    def __init__(self, engine: Engine, *, at: Lived) -> None:
        self._engine = engine
        self._closed = False
        self._at = at
        self._queue: list[Any] = []
        self._connection: Connection | None = None
        at.life.last_words.append(self._hang_up)

    def submit(self, work: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self._at.life.killed:
            return future
        if not self._queue:
            self._at.loop.call_later(self._at.dice.expovariate(400), self._some)
        self._queue.append((work, future))
        return future

    def write(self, work: Any) -> Any:
        future = self.submit(work)
        while not future.done() and not self._at.life.dead:
            self._some()
        if self._at.life.dead:
            raise GoneError
        return future.result()

    def close(self) -> None:
        while self._queue:
            self._some()
        self._hang_up()

    def _some(self) -> None:
        if not self._queue:
            return
        batch, self._queue = self._queue[:MOST_TOGETHER], self._queue[MOST_TOGETHER:]
        if self._queue:
            self._at.loop.call_later(0, self._some)
        dies = self._at.dies_now()
        if dies == "before":
            self._at.life.die()
            return
        trouble = [(_disk_full, Future())] if self._at.disk_is_full() else []
        self._connection = self._commit(self._connection, [*batch, *trouble])
        self._at.after_commit()
        if dies:
            self._at.life.die()

    def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
        self._connection = None


def _disk_full(connection: Connection) -> None:
    raise OperationalError("", {}, Exception("disk I/O error"))


class Spied:
    """A pacer's store that tells which slots were granted."""

    def __init__(self, ledger: Ledger, lane: str, granted: dict[str, list[int]]) -> None:
        self.clock_us = ledger.clock_us
        self._ledger, self._slots = ledger, granted.setdefault(lane, [])

    async def awrite(self, work: Any) -> Any:
        found = await self._ledger.awrite(work)
        if isinstance(found, tuple):
            self._slots.extend(found[0])
        return found


class Lived(Runtime):
    """The runtime of one life."""

    life: Life
    loop: ClockworkLoop
    dice: Random
    provider: Provider
    granted: dict[str, list[int]]
    after_commit: Callable[[], None]
    dies_in_write: float
    disk_trouble: float

    @cached_property
    def ledger(self) -> Ledger:
        held = Ledger(
            self.profile.ledger_url,
            bound_to={"endpoint": "loopback", "project": "p"},
            clock_us=self.clock_us,
            owner_name=self.life.name,
            writer=partial(StepWriter, at=self),
        )
        self.life.last_words.append(self.let_go)
        return held

    def let_go(self) -> None:
        """Lose the lock that proves this process alive, as the system takes it from a dead one."""
        fcntl.flock(self.ledger.owner._handle, fcntl.LOCK_UN)

    def pacers(self) -> dict[str, Pacer]:
        made = super().pacers()
        for pacer in made.values():
            pacer._store = Spied(self.ledger, pacer.lane.name, self.granted)
        return made

    def client(self) -> IvsClient:
        account, wire = self.profile.account, FakeWire(self.provider)
        clock = self._utc
        auth = (
            TokenAuth(
                iam_endpoint=account.endpoint,
                domain="d",
                user="u",
                password=Secret("p"),
                project="r",
                transport=wire,
                clock=clock,
            )
            if account.auth == "token"
            else AkSkAuth(Secret("a"), Secret("s"), clock=clock)
        )
        return IvsClient(
            endpoint=account.endpoint,
            project_id="p",
            auth=auth,
            transport=wire,
            connect_timeout_s=account.connect_timeout_s,
            read_timeout_s=account.read_timeout_s,
        )

    def dies_now(self) -> str:
        """Tell whether this life ends at a commit: before it, after it, or not."""
        if self.life.dies_at and self.dice.random() < self.dies_in_write:
            return self.dice.choice(["before", "after"])
        return ""

    def disk_is_full(self) -> bool:
        return self.dice.random() < self.disk_trouble

    def _utc(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.clock_us() / 1_000_000, tz=dt.UTC)
