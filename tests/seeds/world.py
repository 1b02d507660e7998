"""One seed, played from planning to the night after, and judged."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime as dt
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq

from tasks.ledger import LedgerError, LedgerUnavailableError, RunBusyError, RunRow
from tasks.ledger.runs import plan_of
from tasks.plan import PlanKey, load_or_make
from tasks.privacy import Personal
from tasks.reconcile import reconcile
from tasks.records import Record
from tasks.settings import Profile, Secrets
from tasks.settings.load import CONFIGS
from tasks.verify.night import Night, open_night
from tests.people import invented
from tests.sample import make_sample as sample
from tests.seeds.books import Books, BrokenPromiseError, judged, promise, within_quota
from tests.seeds.clockwork import LIFE, ClockworkLoop, GoneError, Life
from tests.seeds.lives import Lived
from tests.seeds.provider import Provider
from tests.seeds.story import Story, story

KEY = "k:" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
DATE = dt.date(2026, 11, 24)
EVENING_US = round(dt.datetime(2026, 11, 24, 14, tzinfo=dt.UTC).timestamp() * 1_000_000)
MONTH_END_US = round(dt.datetime(2026, 11, 30, 16, tzinfo=dt.UTC).timestamp() * 1_000_000)
MOST_STARTS = 12


@cache
def people() -> list[tuple[str, str]]:
    return invented(40)


@cache
def picture() -> bytes:
    return sample.jpeg(sample.face(1), {"face_of": "nobody"})


class World:
    """Everything of one seed."""

    def __init__(self, told: Story, folder: Path) -> None:
        self.told, self.folder = told, folder
        self.dice = Random(told.seed + 1)
        self.loop = ClockworkLoop(self.dice)
        self.start_us = round(MONTH_END_US - told.month_ends_in_s * 1e6) if told.month_ends_in_s else EVENING_US
        self.provider = Provider(Random(told.seed + 2), self.clock_us, told.weights, told.token_life_s)
        self.granted: dict[str, list[int]] = {}
        self.counts: Counter[str] = Counter()
        self.noticed: list[BrokenPromiseError] = []
        self.deaths_left = told.most_deaths
        self.calm = False
        self.books: Books | None = None
        self.living: dict[str, asyncio.Task[bool]] = {}
        self.starts: list[asyncio.Task[None]] = []
        self.nights: list[tuple[Life, Night]] = []
        for name in ("records", "media", "results", "staging"):
            (folder / name).mkdir()

    def clock_us(self) -> int:
        return self.start_us + round(self.loop.now_s * 1_000_000)

    # --- parts -----------------------------------------------------------------------------------------------------

    def profile(self) -> Profile:
        told, folder = self.told, self.folder
        money = {"cap_run": "100000", "cap_night": "100000", "cap_month": "100000", "approve_above": "100000"}
        if not self.calm:
            money |= {"cap_run": str(told.cap_money / 1e6), "cap_night_calls": str(told.cap_calls)}
        limits = told.limits | {"rate_per_s": told.rate}
        if self.calm:
            limits |= {"canary": {"records": 0}}
        if told.window_s and not self.calm:
            closes = dt.datetime.fromtimestamp(self.start_us / 1e6 + told.window_s, tz=dt.UTC) + dt.timedelta(hours=8)
            limits |= {"window": {"opens": "20:00", "closes": closes.time().isoformat()}}
        return Profile.model_validate(
            {
                "name": "seed",
                "kind": "demo",
                "language": "en",
                "home": str(folder / "home"),
                "account": {
                    "endpoint": "http://127.0.0.1:1",
                    "project_id": "p",
                    "read_timeout_s": 5,
                    "auth": "token" if told.token else "aksk",
                },
                "source": {"records": "/seed/records", "media": str(folder / "media")},
                "limits": limits,
                "money": money | {"price_file": str(CONFIGS / "prices" / "invented.toml")},
                "privacy": {"staging": str(folder / "staging")},
                "output": {"results": str(folder / "results"), "xlsx_rows": 0},
            }
        )

    def lived(self, life: Life) -> Lived:
        """Open a runtime for a life."""
        held = Lived(
            self.profile(), Secrets({"IVS_BACKFILL_PSEUDONYM_KEYS": KEY}), self.clock_us, self.new_id, self.dice
        )
        held.life, held.loop, held.dice, held.provider = life, self.loop, self.dice, self.provider
        held.granted, held.after_commit = self.granted, self.after_commit
        held.dies_in_write = self.told.dies_in_write
        held.disk_trouble = 0.0
        return held

    def new_id(self) -> str:
        return f"{self.dice.getrandbits(128):032x}"

    def after_commit(self) -> None:
        if self.books is not None:
            self.books.after_commit()

    def records(self) -> list[Record]:
        found = []
        for place in range(self.told.people):
            name, number = people()[place]
            face = None
            if self.told.faces and place % 3 == 0:
                face = Personal(f"{place}.jpg")
                (self.folder / "media" / f"{place}.jpg").write_bytes(picture())
            found.append(
                Record(
                    "people.csv", place + 2, Personal(f"C{place}"), name=Personal(name), id_type="01",
                    id_number=Personal(number), face_key=face, required_check="id3_text_face" if face else "",
                )
            )  # fmt: skip
        return found

    # --- the story -------------------------------------------------------------------------------------------------

    def play(self) -> Counter[str]:
        """Play the seed, and return its counts."""
        asyncio.set_event_loop(None)
        self.loop.set_exception_handler(self._noticed)
        try:
            self.loop.run_until_complete(self._play())
        finally:
            if self.noticed:
                raise self.noticed[0]
        return self.counts

    def _noticed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what is raised where nobody waits for it: a promise broken after a commit, a task that nobody looks at."""
        error = context.get("exception")
        if isinstance(error, BrokenPromiseError):
            self.noticed.insert(0, error)
        elif error is not None and not isinstance(error, GoneError):
            self.noticed.append(BrokenPromiseError(f"nobody looked at {error!r}"))

    async def _play(self) -> None:
        runs = self._plans(DATE, self.told.runs)
        self.books = Books(self.folder / "home" / "ledger.sqlite")
        for name in self.told.disturbances:
            self.loop.call_later(self.dice.expovariate(0.3), self._disturb, name, runs)
        self._second_start(runs)
        while self.starts:
            await self.starts.pop()
        self.calm = True
        self._close(runs)
        before = sum(request.billed for request in self.provider.requests)
        self.counts += judged(self.books, self.provider)
        last = max((request.at_us for request in self.provider.requests), default=0)
        closed = self.start_us + round(self.told.window_s * 1_000_000) if self.told.window_s else last
        promise(last <= closed + 50_000, "a call was sent after its window closed")
        await self._night_after()
        self.counts["billed the night after"] += sum(r.billed for r in self.provider.requests) - before
        within_quota(self.granted, self._rates())
        self.counts["commits"] += self.books.commits
        self.books.close()

    async def _night_after(self) -> None:
        """All is well with provider and disk, and there is money: whoever was left is asked, nobody again."""
        self.calm = self.provider.calm = True
        self._halt("")
        (run,) = self._plans(DATE + dt.timedelta(days=1), 1)
        await self._until_ended(run)
        outcomes = self._close([run])
        promise(not outcomes["not_attempted"], f"left over on a quiet night: {outcomes}")
        judged(self._known(), self.provider)

    def _known(self) -> Books:
        assert self.books is not None
        return self.books

    def _plans(self, date: dt.date, count: int) -> list[RunRow]:
        """Plan a date, in a process of its own; a second plan is over the same people."""
        held = self.lived(Life(self.new_id()[:20]))
        rows = self.records()
        runs = [load_or_make(held, PlanKey(date, replan=place > 0), lambda _told: [rows]) for place in range(count)]
        held.close()
        return runs

    async def _until_ended(self, run: RunRow) -> None:
        """Start a run again and again until a start comes to its own end."""
        for _ in range(MOST_STARTS):
            await asyncio.sleep(self.dice.expovariate(2))
            if await self._start(run):
                return
        self.counts["gave up"] += 1

    async def _start(self, run: RunRow) -> bool:
        """Start a process for a run; False where it died or failed, and has to be started again."""
        dies_at = 0
        if self.deaths_left and not self.calm:
            self.deaths_left -= 1
            dies_at = self.dice.choice([self.dice.randint(1, 60), self.dice.randint(1, 60 * self.told.people)])
        life = Life(self.new_id()[:20], dies_at)
        over = self.loop.create_future()
        life.last_words.append(lambda: over.done() or over.set_result(None))
        context = contextvars.copy_context()
        context.run(LIFE.set, life)
        self.counts["starts"] += 1
        task = self.loop.create_task(self._live(life, run), context=context)
        self.living[life.name] = task
        await asyncio.wait([over, task], return_when=asyncio.FIRST_COMPLETED)
        del self.living[life.name]
        self.nights = [pair for pair in self.nights if pair[0] is not life]
        if life.killed:
            self.counts["killed"] += 1
            return False
        if task.cancelled():
            self.counts["cancelled"] += 1
            return True
        return task.result()

    async def _live(self, life: Life, run: RunRow) -> bool:
        """What a process does: open everything, verify, close; it exits whatever happens."""
        held = None
        night = None
        try:
            held = self.lived(life)
            held.disk_trouble = 0.0 if self.calm else self.told.disk_trouble
            night = open_night(held, held.ledger.run(run.run_id), 10**12)
            self.nights.append((life, night))
            await night.verify(self._chunk(night))
        except RunBusyError:
            self.counts["busy"] += 1
            return True
        except (LedgerUnavailableError, LedgerError) as error:
            self.counts[type(error).__name__] += 1
            return False
        else:
            self.counts[f"stopped {night.gate.stopped}" if night.gate.stopped else "ran to its end"] += 1
            return True
        finally:
            if not life.dead:
                if held is not None and "ledger" in held.__dict__:
                    held.close()
                life.exit()

    def _chunk(self, night: Night) -> Any:
        async def chunk(part: Any) -> None:
            await night.chunk(part)

        return chunk

    # --- trouble ---------------------------------------------------------------------------------------------------

    def _disturb(self, name: str, runs: list[RunRow]) -> None:
        if self.calm:
            return
        self.counts[name] += 1
        getattr(self, f"_{name}")(runs)

    def _cancel(self, _runs: list[RunRow]) -> None:
        for task in self.living.values():
            task.cancel()

    def _stop(self, _runs: list[RunRow]) -> None:
        for life, night in self.nights:
            context = contextvars.copy_context()
            context.run(LIFE.set, life)
            task = self.loop.create_task(night.cancel(), context=context)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _halt(self, value: Any) -> None:
        on = bool(value)
        with contextlib.closing(sqlite3.connect(self.folder / "home" / "ledger.sqlite")) as db, db:
            db.execute("DELETE FROM switches WHERE name = 'halt'")
            if on:
                db.execute("INSERT INTO switches VALUES ('halt', 'x')")
        if on:
            self.loop.call_later(self.dice.uniform(0.1, 20), self._halt, "")

    def _lock_lost(self, _runs: list[RunRow]) -> None:
        """A process loses the lock that proves it alive, and lives on; another takes its run over."""
        for life, night in self.nights:
            if not life.dead:
                night.runtime.let_go()  # type: ignore[attr-defined]
                self._second_start([night.run])

    def _second_start(self, runs: list[RunRow]) -> None:
        for run in runs:
            self.starts.append(self.loop.create_task(self._until_ended(run)))

    def _media_changed(self, _runs: list[RunRow]) -> None:
        for path in sorted((self.folder / "media").iterdir()):
            if self.dice.random() < 0.3:
                path.write_bytes(picture() + b"x")

    # --- the end ---------------------------------------------------------------------------------------------------

    def _close(self, runs: list[RunRow]) -> Counter[str]:
        """Join plan and ledger, as closing does: exactly one result row for each record of each run."""
        held = self.lived(Life(self.new_id()[:20]))
        outcomes: Counter[str] = Counter()
        for run in runs:
            folder = self.folder / f"out-{run.run_id}"
            folder.mkdir()
            found = reconcile(
                held.ledger.run(run.run_id),
                revision=1,
                profile=held.profile,
                ledger=held.ledger,
                staging=held.staging(plan_of(run)["staging"]),
                folder=folder,
            )
            refs = Counter(pq.read_table(folder / "results.parquet").column("record_ref").to_pylist())
            promise(len(refs) == self.told.people, "records were lost")
            promise(max(refs.values()) == 1, "a record ended twice")
            outcomes += found.outcomes
        held.close()
        self.counts += Counter({f"outcome {name}": count for name, count in outcomes.items()})
        return outcomes

    def _rates(self) -> dict[str, float]:
        rates = {f"p:{family}": float(rate) for family, rate in self.told.rate.items()}
        return rates | {"p:all": min(rates.values())}


def played(seed: int) -> tuple[Counter[str], str]:
    """Play a seed; return its counts and the ledger's dump."""
    with _folder() as folder:
        world = World(story(seed), folder)
        counts = world.play()
        books = Books(folder / "home" / "ledger.sqlite")
        dump = books.dump()
        books.close()
        return counts, dump


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="ivs-seed-") as name:
        yield Path(name)
