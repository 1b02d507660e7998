"""The order of a night: the first record alone, a canary slice of each operation, then the rest chunk by chunk."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tasks.ledger import LedgerError, RunRow
from tasks.ledger.budget import Cap, month_scope, night_scope, run_scope
from tasks.ledger.ends import asked_again, ended
from tasks.ledger.runs import plan_of
from tasks.ledger.runs import stop as stop_run
from tasks.ledger.standing import Standing
from tasks.pricing import month_of
from tasks.privacy import Pseudonyms
from tasks.quota import Pacer
from tasks.records import PAID_ANSWERS, Outcome
from tasks.records.money import to_micros
from tasks.runtime import Runtime
from tasks.settings.profile import Canary
from tasks.staging import Manifest, Part, Staging, kept_parts
from tasks.storage import StorageError
from tasks.verify.ask import Asker, ByteRoom
from tasks.verify.gate import Gate
from tasks.verify.progress import Progress
from tasks.verify.window import seconds_left

MARK_EVERY_S: Final = 60.0
_UNTOLD_US: Final = 120_000_000
"""A plan staged by an older version says of no answer that it knew it: of those so much older than itself it did."""


@dataclass(slots=True)
class Night:
    """One run being verified by this process; `again`: only what a redrive has chosen."""

    runtime: Runtime
    run: RunRow
    staging: Staging
    chunks: tuple[Part, ...]
    gate: Gate
    asker: Asker
    progress: Progress
    pacers: dict[str, Pacer]
    again: bool = False

    async def verify(self, each: Callable[[Part], Awaitable[None]]) -> None:
        """Verify everything that is open, in the order of a night; `each` verifies one chunk (a Prefect task does)."""
        marking = asyncio.create_task(self._mark_now_and_then())
        try:
            await self._in_order(each)
        finally:
            marking.cancel()
            await asyncio.gather(marking, return_exceptions=True)

    async def _in_order(self, each: Callable[[Part], Awaitable[None]]) -> None:
        parts = await asyncio.to_thread(self.open_chunks)
        await self.first_alone(parts)
        for canary in (True, False):
            await self._side_by_side([part for part in parts if part.canary is canary], each)
            if canary and not self.again:
                await self.judge_canaries()

    async def chunk(self, part: Part, most: int | None = None) -> int:
        """Verify what is still open in a chunk (at most `most` records), and return how many were asked."""
        rows = await asyncio.to_thread(self._open_rows, part)
        chosen = rows[:most] if most else rows
        results = await asyncio.gather(*(self.asker.ask(row, part.chunk) for row in chosen), return_exceptions=True)
        for failure in results:
            if isinstance(failure, BaseException):
                raise failure
        return len(chosen)

    async def first_alone(self, parts: Sequence[Part]) -> None:
        """Ask the first open record by itself: it is paid, used, and opens the way for the others."""
        for part in parts:
            if await self.chunk(part, most=1):
                return

    def open_chunks(self) -> list[Part]:
        """Return the chunks in which something may still be open, by one question to the ledger."""
        if self.run.kept_chunks:  # what is open, taken out of its chunks when the run had ended
            return list(self.chunks)
        ended = self.runtime.ledger.ended_by_chunk(self.run.run_id)
        for part in self.chunks:
            if ended[part.chunk] >= part.rows:
                self.progress.already_in(part.chunk, part.rows)
        return [part for part in self.chunks if ended[part.chunk] < part.rows]

    async def judge_canaries(self) -> None:
        """Stop the run where the canary slice of an operation looks wrong."""
        limits = self.runtime.profile.limits.canary
        for part in (part for part in self.chunks if part.canary):
            if not self.gate.stopped and await asyncio.to_thread(self._looks_wrong, part, limits):
                await self.gate.stop("canary")

    async def cancel(self) -> None:
        """Let no further call go, and wait for the answers of those in flight no longer than `drain_s`."""
        self.asker.client.hurry(self.runtime.profile.limits.drain_s)
        await self.gate.stop("cancelled")

    async def _mark_now_and_then(self) -> None:
        """Mark the ledger each minute; what can't be reached just then costs only that mark."""
        while True:
            await asyncio.sleep(MARK_EVERY_S)
            with suppress(StorageError, LedgerError):
                await asyncio.to_thread(self.runtime.mark_ledger)

    async def _side_by_side(self, parts: list[Part], each: Callable[[Part], Awaitable[None]]) -> None:
        places = asyncio.Semaphore(self.runtime.profile.limits.chunks_at_once)

        async def one(part: Part) -> None:
            async with places:
                if not self.gate.stopped and await asyncio.to_thread(self._is_open, part):
                    await each(part)

        for failure in await asyncio.gather(*(one(part) for part in parts), return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    def _looks_wrong(self, part: Part, limits: Canary) -> bool:
        refs = self.staging.read(part).column("record_ref").to_pylist()
        outcomes = Counter(call.outcome for call in self.runtime.ledger.calls_of(self.run.run_id, refs) if call.outcome)
        return looks_wrong(outcomes, limits)

    def _is_open(self, part: Part) -> bool:
        return bool(self._open_rows(part))

    def _open_rows(self, part: Part) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.staging.read(part).to_pylist()
        for row in rows:
            if row.get("known_us") is None:
                row["known_us"] = self.run.as_of_us - _UNTOLD_US
        refs = [row["record_ref"] for row in rows]
        calls = self.runtime.ledger.calls_of(self.run.run_id, refs)
        notes = list(self.runtime.ledger.unsent_of(self.run.run_id, refs).values())
        done = ended(calls, notes)
        if self.again:
            done |= set(refs) - {one.record_ref for one in (*calls, *notes) if asked_again(one)}
        left = [row for row in rows if row["record_ref"] not in done]
        self.progress.already_in(part.chunk, len(rows) - len(left))
        return left


def looks_wrong(outcomes: Counter[str], limits: Canary) -> bool:
    """Tell whether a slice has too many answers that are not `verified`, or too many that nobody understands."""
    total = sum(outcomes.values())
    if total < max(limits.records, 1):
        return False
    other = sum(count for outcome, count in outcomes.items() if outcome in PAID_ANSWERS) - outcomes[Outcome.VERIFIED]
    unknown = outcomes[Outcome.UNKNOWN_VERDICT] + outcomes[Outcome.UNREADABLE]
    return 100 * other > limits.most_not_verified_pct * total or 100 * unknown > limits.most_unknown_pct * total


def open_night(
    runtime: Runtime,
    run: RunRow,
    cap_micros: int,
    *,
    on: dt.date | None = None,
    again: bool = False,
    since_us: int | None = None,
) -> Night:
    """Take a run over, under its caps, and make everything its calls need.

    Args:
        runtime: the profile's parts.
        run: the run.
        cap_micros: what may be spent at most.
        on: the business date whose night the calls belong to; the run's own by default.
        again: ask only what a redrive has chosen.
        since_us: when this start was first made, by the ledger's clock.

    Raises:
        RunBusyError: a living process owns the run.
        StoppedError: a person cancelled the run since then.
        LedgerError: it is void, or its staged records are gone.
        WrongLedgerError, StorageError: this is not the ledger the results belong to, or nobody can say.
    """
    runtime.check_ledger()
    runtime.mark_ledger()
    night = f"{run.profile}:{(on or run.business_date).isoformat()}"
    epoch = runtime.ledger.take(run.run_id, _caps(runtime, run, night, cap_micros), since_us=since_us, again=again)
    run = runtime.ledger.run(run.run_id)  # it may have been closed meanwhile, and keep other chunks
    summary = plan_of(run)
    staging = runtime.staging(summary["staging"])
    progress = Progress(total=sum(summary["operations"].values()))
    pacers = runtime.pacers()
    gate = Gate(runtime.profile.limits.breaker, tell=_teller(runtime, run, epoch), closes_in_s=_closes_in(runtime, run))
    asker = Asker(
        run_id=run.run_id,
        epoch=epoch,
        night=night,
        client=runtime.client(),
        ledger=runtime.ledger,
        media_store=runtime.media,
        pacers=pacers,
        prices=runtime.prices,
        limits=runtime.profile.limits,
        gate=gate,
        progress=progress,
        month_of=month_of,
        room=ByteRoom(runtime.profile.limits.in_flight, runtime.profile.limits.bytes_in_flight),
        wait_for_others_s=runtime.profile.account.connect_timeout_s + runtime.profile.account.read_timeout_s + 5,
        rng=runtime.rng,
        new_id=runtime.new_id,
        names_of=partial(_names_of, runtime.names),
        standing=_standing(runtime),
    )
    chunks = _staged(run, staging.manifest(summary["manifest_sha256"]))
    return Night(runtime, run, staging, chunks, gate, asker, progress, pacers, again)


def _staged(run: RunRow, manifest: Manifest) -> tuple[Part, ...]:
    """Return the chunks that are still staged; an ended run keeps only what is open."""
    parts = kept_parts(run.kept_chunks, manifest)
    if manifest.chunks and not parts:
        raise LedgerError(f"the staged records of run {run.run_id} are gone: plan its date again with `run --replan`")
    return parts


def _names_of(names: Pseudonyms, decides: str) -> tuple[str, ...]:
    """Return what a question is called under every key held; none where only one is, or nobody says what decides it."""
    return names.all_of("question", decides) if decides and len(names.key_ids) > 1 else ()


def _standing(runtime: Runtime) -> Standing | None:
    policy = runtime.profile.policy
    return Standing(policy.set_by, to_micros(policy.reask_below)) if policy.in_doubt == "reask_below" else None


def _caps(runtime: Runtime, run: RunRow, night: str, cap_micros: int) -> list[Cap]:
    """Return the caps a run's calls are booked under; a night may cross a month's end, so the next month's too."""
    money = runtime.profile.money
    now = runtime.ledger.clock_us()
    months = sorted({month_of(now + days * 86_400_000_000) for days in (0, 1, 28)})
    return [
        Cap(run_scope(run.run_id), min(cap_micros, to_micros(money.cap_run)), money.cap_run_calls),
        Cap(night_scope(night), to_micros(money.cap_night), money.cap_night_calls),
        *(Cap(month_scope(night, month), to_micros(money.cap_month), money.cap_month_calls) for month in months),
    ]


def _teller(runtime: Runtime, run: RunRow, epoch: int) -> Callable[[str], Awaitable[None]]:
    async def tell(reason: str) -> None:
        await runtime.ledger.awrite(lambda connection: stop_run(connection, run.run_id, reason, epoch=epoch))

    return tell


def _closes_in(runtime: Runtime, run: RunRow) -> Callable[[], float | None]:
    window = runtime.profile.limits.window

    def closes_in() -> float | None:
        if window is None:
            return None
        return seconds_left(window, run.business_date, runtime.now())

    return closes_in
