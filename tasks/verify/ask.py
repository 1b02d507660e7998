"""One record's way through the night: media, body, slot, departure, answer; again where the table allows it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tasks.ivs.client import Answer, Body, Check, IvsClient
from tasks.ivs.errors import BodyTooLarge, NeverSent, RunStopper, TokenError
from tasks.ledger import CapReachedError, Departure, FencedError, Ledger, OpenQuestionError, StoppedError
from tasks.ledger.calls import anew
from tasks.ledger.runs import Note, never_left
from tasks.ledger.standing import Standing
from tasks.media import MediaLimits
from tasks.pricing import PriceList
from tasks.privacy import Personal
from tasks.quota import Pacer
from tasks.records import PAID_ANSWERS, Operation, Outcome, Reason
from tasks.settings import Limits
from tasks.storage import Store
from tasks.verify.fate import Next, Tries, after, ending
from tasks.verify.gate import Gate, is_cancelled
from tasks.verify.media import UnfitError, fetch
from tasks.verify.progress import Progress


@dataclass(slots=True)
class Asker:
    """What all records of a run are asked with."""

    run_id: str
    epoch: int
    night: str
    client: IvsClient
    ledger: Ledger
    media_store: Store
    pacers: dict[str, Pacer]
    prices: PriceList
    limits: Limits
    gate: Gate
    progress: Progress
    month_of: Callable[[int], str]
    room: ByteRoom
    wait_for_others_s: float
    rng: random.Random
    new_id: Callable[[], str]
    names_of: Callable[[str], tuple[str, ...]] = lambda _decides: ()
    standing: Standing | None = None
    reasked: set[str] = field(default_factory=set)

    async def ask(self, row: dict[str, Any], chunk: int) -> None:
        """Ask one planned record until it has its outcome, or the run stops.

        Raises:
            FencedError: another process has taken the run over.
        """
        row = {**row, "chunk": chunk, "also": self._also(row)}
        try:
            while not await self._asked(row, chunk):
                self.gate.check()
        except UnfitError as unfit:
            why = {"reason": unfit.reason.value, "reason_column": unfit.column, "reason_detail": unfit.detail}
            await self._never_left(row, Outcome.REJECTED, **why)
        except CapReachedError:
            await self.gate.stop("budget")
        except StoppedError as stopped:
            await self.gate.stop(stopped.reason)
        except FencedError:
            self.gate.stopped = self.gate.stopped or "fenced"
            raise

    def _also(self, row: dict[str, Any]) -> tuple[str, ...]:
        """Return the question's names under the other keys held; an older version's plan can't tell."""
        return tuple(name for name in self.names_of(row.get("decides") or "") if name != row["question"])

    async def _asked(self, row: dict[str, Any], chunk: int) -> bool:
        """Ask, and tell whether the record has its end; False: another's call was in the way and has made room."""
        self.gate.check()
        try:
            async with self.room.of(row["bytes"]):
                self.gate.check()
                body = await self._body(row)
                await self._until_done(row, chunk, body)
        except OpenQuestionError:
            return await self._settled_elsewhere(row)
        return True

    async def _body(self, row: dict[str, Any]) -> Body:
        media = await fetch(self.media_store, row, MediaLimits())
        try:
            return await self.client.encode(_check(row, media))
        except BodyTooLarge:
            raise UnfitError(Reason.BAD_MEDIA, "", "all media together are too large for one call") from None

    async def _until_done(self, row: dict[str, Any], chunk: int, body: Body) -> None:
        began = _now_s()
        tries = Tries()
        call = self._departure(row, chunk)
        while True:
            step = await self._attempt(row, call, body, replace(tries, elapsed_s=_now_s() - began))
            if step.do == "stop":
                await self.gate.stop(step.reason)
            if step.do == "give_up":
                await self._never_left(row, Outcome.FAILED, reason=step.reason)
            if step.do != "again":
                return
            if is_cancelled():
                raise asyncio.CancelledError
            tries = replace(tries, refused=tries.refused + 1, renewed=tries.renewed or step.renew)
            await self.gate.rest(self._pause(step, tries))
            call = anew(call, call_id=self.new_id(), attempt=call.attempt + 1, sent_us=0)

    async def _attempt(self, row: dict[str, Any], call: Departure, body: Body, tries: Tries) -> Next:
        pacer = self.pacers[call.family]
        slot = await self.gate.unless_stopped(pacer.slot())
        call = replace(call, sent_us=slot, month=self.month_of(slot))
        await self.gate.enter(ahead_s=(slot - self.ledger.clock_us()) / 1_000_000)
        try:
            return await self._tried(row, call, body, (pacer, slot, tries))
        except BaseException:
            self.gate.untried()
            raise

    async def _tried(self, row: dict[str, Any], call: Departure, body: Body, with_: tuple[Pacer, int, Tries]) -> Next:
        pacer, slot, tries = with_
        departed: list[Departure] = []
        depart = partial(self._depart, call, pacer, slot, departed)
        try:
            answer = await self.client.call(body, uuid=call.call_id, depart=depart)
        except NeverSent as error:
            for written in departed:
                await asyncio.shield(self.ledger.withdraw(written))
            return await self._unreached(error, tries)
        self.progress.came(answer.kind)
        now = self.ledger.clock_us()
        ended = ending(answer, now, name=row["name"], number=row["id_number"])
        await asyncio.shield(self.ledger.end(call, ended, self.prices.at))
        if ended.outcome or answer.kind == "missing":
            self.progress.done(ended.outcome or Outcome.IN_DOUBT.value)
        await self.gate.note(in_doubt=answer.kind == "missing")
        return await self._next(answer, pacer, tries)

    async def _depart(self, call: Departure, pacer: Pacer, slot: int, departed: list[Departure]) -> None:
        """Write the call and wait for its moment, just before the first byte; take it back if it does not go."""
        self.gate.check()
        written = asyncio.ensure_future(
            self.ledger.depart(call, self.standing if call.record_ref in self.reasked else None)
        )
        try:
            await asyncio.shield(written)
            await self.gate.unless_stopped(pacer.moment(slot), booked=True)
            self.gate.check(booked=True)
            self.ledger.owner.check()
        except BaseException:
            await asyncio.shield(self._take_back(call, written))
            raise
        departed.append(call)
        self.progress.left()

    async def _take_back(self, call: Departure, written: asyncio.Future[None]) -> None:
        await asyncio.wait([written])
        if not written.cancelled() and written.exception() is None:
            await self.ledger.withdraw(call)

    async def _next(self, answer: Answer, pacer: Pacer, tries: Tries) -> Next:
        step = after(answer, tries, self.limits)
        if answer.status == 429:
            limit = answer.limit_hint[0] / answer.limit_hint[1] if answer.limit_hint else None
            await pacer.throttled(pause_s=answer.retry_after_s or 0.0, limit_per_s=limit)
        if step.renew:
            try:
                await self.client.renew()
            except TokenError:
                return Next("stop", reason="account")
        return step

    async def _unreached(self, error: NeverSent, tries: Tries) -> Next:
        """Decide after a call that never began: nothing stands in the ledger, nothing can be billed."""
        self.gate.untried()
        self.progress.never_sent(type(error).__name__)
        if isinstance(error, RunStopper):
            return Next("stop", reason="account")
        if tries.refused + 1 < self.limits.attempts and tries.elapsed_s < self.limits.retry_for_s:
            return Next("again")
        return Next("stop", reason="provider")

    def _pause(self, step: Next, tries: Tries) -> float:
        if step.renew:
            return 0.0
        most = min(self.limits.backoff_most_s, self.limits.backoff_s * 2 ** min(tries.refused, 16))
        return step.wait_s + self.rng.uniform(0, most)

    async def _settled_elsewhere(self, row: dict[str, Any]) -> bool:
        """End a record by the open call its question has, whichever run asked it.

        A living owner's call is waited for: its answer is relied on. A call in doubt or unreadable is pointed to.
        Where it was refused or withdrawn the question is free again: False.
        """
        until = _now_s() + self.wait_for_others_s
        while True:
            calls = await asyncio.to_thread(self.ledger.calls_about, [row["question"], *row["also"]])
            blocking = next((call for call in reversed(calls) if call.open), None)
            if blocking is None:
                return await self._rely_on(row, calls)
            lives = blocking.state == "sent" and await asyncio.to_thread(self.ledger.owner.is_alive, blocking.owner)
            if not lives and self._may_be_reasked(row, blocking):
                return False
            if not lives or _now_s() > until:
                unreadable = blocking.answer == "unreadable"
                outcome = Outcome.UNREADABLE if unreadable else Outcome.IN_DOUBT
                await self._never_left(row, outcome, open_call=blocking.call_id)
                return True
            await self.gate.rest(0.1)

    def _may_be_reasked(self, row: dict[str, Any], blocking: Any) -> bool:
        """Tell, once a record, whether to try with the profile's standing decision about doubts; the ledger decides."""
        if self.standing is None or blocking.state != "in_doubt" or row["record_ref"] in self.reasked:
            return False
        self.reasked.add(row["record_ref"])
        return True

    async def _rely_on(self, row: dict[str, Any], calls: list[Any]) -> bool:
        """Rely on an answer that the plan did not know of; the one it knew was too old to serve, or it was reused."""
        since = [call for call in calls if call.outcome in PAID_ANSWERS and call.ended_us > row["known_us"]]
        if since:
            answered = max(since, key=lambda call: call.ended_us)
            await self._never_left(row, Outcome.REUSED, open_call=answered.call_id)
        return bool(since)

    async def _never_left(self, row: dict[str, Any], outcome: Outcome, **why: str) -> None:
        note = Note(outcome.value, self.ledger.clock_us(), chunk=row["chunk"], **why)
        await self.ledger.awrite(partial(never_left, run_id=self.run_id, record_ref=row["record_ref"], note=note))
        self.progress.done(outcome.value)

    def _departure(self, row: dict[str, Any], chunk: int) -> Departure:
        return Departure(
            call_id=self.new_id(),
            run_id=self.run_id,
            epoch=self.epoch,
            owner=self.ledger.owner.name,
            record_ref=row["record_ref"],
            chunk=chunk,
            attempt=1,
            question=row["question"],
            subject=row["subject"],
            key_id=row["key_id"],
            operation=row["operation"],
            family=row["family"],
            cost_centre=row["cost_centre"],
            org_code=row["org_code"],
            night=self.night,
            month="",
            sent_us=0,
            worst_micros=self.prices.worst(row["family"]),
            known_us=row["known_us"],
            also=row["also"],
        )


class ByteRoom:
    """How many calls and bytes may be held in memory at once."""

    def __init__(self, calls: int, most_bytes: int) -> None:
        self._calls = asyncio.Semaphore(calls)
        self._free = most_bytes
        self._most = most_bytes
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Hold a place for one call and `size` bytes."""
        wanted = min(size, self._most)
        async with self._calls:
            async with self._changed:
                await self._changed.wait_for(lambda: self._free >= wanted)
                self._free -= wanted
            try:
                yield
            finally:
                async with self._changed:
                    self._free += wanted
                    self._changed.notify_all()


def _now_s() -> float:
    """Return the event loop's own clock: it never jumps, and whoever runs the loop sets it."""
    return asyncio.get_running_loop().time()


def _check(row: dict[str, Any], media: dict[str, bytes]) -> Check:
    operation = Operation(row["operation"])
    video = operation in {Operation.ID3_TEXT_VIDEO, Operation.ID3_IMAGE_VIDEO}
    text = operation.value.split("_")[1] == "text"
    return Check(
        operation=operation,
        name=Personal(row["name"]) if text else None,
        number=Personal(row["id_number"]) if text else None,
        card_front=media.get("card_front"),
        card_back=media.get("card_back"),
        face=media.get("face"),
        video=media.get("video"),
        actions=row["actions"] if video else None,
        nod_threshold=None,
        detail=bool(row["detail"]) if operation.value.startswith("id3") else None,
        crop=None,
    )
