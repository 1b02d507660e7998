"""Slots inside one process: callers queue, one lease serves as many of them as the near future allows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from tasks.quota.lease import LEASE_US, Lane, lease, throttled

MISSED_US: Final = 15_000
"""A slot missed by more than this is given up, so that calls don't bunch."""


class Durable(Protocol):
    """Where lanes are kept: the ledger's writer and its clock."""

    clock_us: Callable[[], int]

    async def awrite(self, work: Callable[[Connection], Any]) -> Any:
        """Run `work` durably."""


class Pacer:
    """One lane's slots for this process.

    Args:
        lane: the quota.
        store: the ledger.
        sleep: waits a number of seconds; injected for tests.
    """

    def __init__(self, lane: Lane, store: Durable, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.lane = lane
        self.granted = 0
        self.refused = 0
        self._store = store
        self._sleep = sleep
        self._callers: deque[asyncio.Future[int]] = deque()
        self._leasing: asyncio.Task[None] | None = None

    async def slot(self) -> int:
        """Return the moment (microseconds since 1970) at which the caller may start its call, at most 0.5 s ahead."""
        caller: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._callers.append(caller)
        if self._leasing is None or self._leasing.done():
            self._leasing = asyncio.create_task(self._serve())
        return await caller

    async def moment(self, slot_us: int) -> None:
        """Wait for a slot's moment; where it was missed, take the next slot and wait for that."""
        while (ahead := slot_us - self._store.clock_us()) < -MISSED_US:
            slot_us = await self.slot()
        if ahead > 0:
            await self._sleep(ahead / 1_000_000)

    async def throttled(self, *, pause_s: float, limit_per_s: float | None) -> None:
        """Lower the lane for all processes: the provider refused a call."""
        self.refused += 1
        now = self._store.clock_us()
        cut = partial(throttled, lane=self.lane, now_us=now, pause_s=pause_s, limit_per_s=limit_per_s)
        await self._store.awrite(cut)

    async def _serve(self) -> None:
        try:
            while self._waiting():
                await self._lease_once()
        except Exception as error:  # noqa: BLE001  # every caller is told; none may wait for ever
            for caller in self._callers:
                if not caller.done():
                    caller.set_exception(error)
            self._callers.clear()

    async def _lease_once(self) -> None:
        wanted = len(self._callers)
        slots, free = await self._store.awrite(lambda c: lease(c, self.lane, wanted, self._store.clock_us()))
        for slot in slots:
            self._hand_out(slot)
        if self._callers and not slots:
            await self._sleep(max(free - LEASE_US // 2 - self._store.clock_us(), 1_000) / 1_000_000)

    def _hand_out(self, slot: int) -> None:
        while self._callers:
            caller = self._callers.popleft()
            if not caller.done():
                caller.set_result(slot)
                self.granted += 1
                return

    def _waiting(self) -> bool:
        while self._callers and self._callers[0].done():
            self._callers.popleft()
        return bool(self._callers)
