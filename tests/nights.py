"""Nights over plain folders, without a Prefect server: the steps themselves, against the real twin."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.closing import close_now
from flows.redrive import Redrive, choose
from tasks import ingest
from tasks.approve import approved_cap
from tasks.ledger.decided import Decision
from tasks.plan import PlanKey, load_or_make
from tasks.plan.questions import record_ref
from tasks.privacy import Personal
from tasks.reconcile import Reconciled, reconcile
from tasks.records import Record
from tasks.runtime import Runtime
from tasks.settings import Profile
from tasks.verify.night import Night, open_night
from tests.conftest import Twin, secrets_for
from tests.judge import Judgement, judge

HEADINGS = ("customer_no", "name", "id_number")


class Nights:
    """Runs nights of one profile, and judges them."""

    def __init__(self, profile: Profile, twin: Twin, folder: Path) -> None:
        self.profile = profile
        self.twin = twin
        self.folder = folder
        self.runtime = Runtime(profile, secrets_for(twin.at))
        self.results: dict[str, pa.Table] = {}
        self.planned: dict[str, set[str]] = {}

    def people(self, people: list[tuple[str, str]], name: str = "people.csv") -> None:
        with (self.folder / "records" / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADINGS)
            writer.writerows((f"C{place}", *person) for place, person in enumerate(people, start=1))

    def refs(self) -> set[str]:
        found = set()
        for path in (self.folder / "records").glob("*.csv"):
            with path.open(encoding="utf-8") as file:
                for row, person in enumerate(csv.DictReader(file), start=2):
                    seen = Record(path.name, row, Personal(person["customer_no"]))
                    found.add(record_ref(seen, self.runtime.names))
        return found

    def plan(self, **over: Any) -> Any:
        key = PlanKey(**({"business_date": dt.date(2026, 11, 24)} | over))
        held = self.runtime
        return load_or_make(
            held, key, lambda told: ingest.read_profile(held.records, held.profile.source, key.business_date, told=told)
        )

    def verify(self, run: Any, during: Callable[[Night], None] | None = None) -> Night:
        cap = approved_cap(self.runtime.ledger, run, self.profile.money)
        assert cap is not None
        return self.go(open_night(self.runtime, run, cap), during)

    def redrive(self, run: Any, *kinds: str, during: Callable[[Night], None] | None = None) -> int:
        """Ask again as the flow does; return how many records were chosen."""
        words = {"profile": "test", "run_id": run.run_id, "outcomes": kinds or ("failed", "resent")}
        run_id, count, cap = choose(self.runtime, Redrive.model_validate(words | {"reason": "because", "name": "Li"}))
        if count:
            held = self.runtime.ledger.run(run_id)
            self.go(open_night(self.runtime, held, cap, on=dt.date(2026, 11, 26), again=True), during)
        return count

    def go(self, night: Night, during: Callable[[Night], None] | None = None) -> Night:

        async def go() -> None:
            if during:
                during(night)
            try:
                await night.verify(lambda part: chunk(part))
            finally:
                await night.asker.client.aclose()

        async def chunk(part: Any) -> None:
            await night.chunk(part)

        asyncio.run(go())
        return night

    def close(self, run: Any) -> Reconciled:
        run = self.runtime.ledger.run(run.run_id)
        folder = self.folder / f"out-{len(self.results)}"
        folder.mkdir(exist_ok=True)
        staging = self.runtime.staging(json.loads(run.plan)["staging"])
        found = reconcile(
            run, revision=1, profile=self.profile, ledger=self.runtime.ledger, staging=staging, folder=folder
        )
        self.results[run.run_id] = pq.read_table(folder / "results.parquet")
        self.planned[run.run_id] = self.refs()
        return found

    def end(self, run: Any) -> dict[str, Any]:
        """Close a run as the flow does, files and revision included; every revision so far has every row once."""
        with tempfile.TemporaryDirectory() as folder:
            ended = close_now(self.runtime, run.run_id, Path(folder)).summary
        for place in (self.folder / "results" / run.run_id).iterdir():
            table = pq.read_table(place / "results.parquet")
            assert sorted(table.column("record_ref").to_pylist()) == sorted(self.refs()), place.name
        self.results[run.run_id] = pq.read_table(ended["results"])
        self.planned[run.run_id] = self.refs()
        return ended

    def whole(self, **over: Any) -> tuple[Any, dict[str, Any]]:
        """Plan, verify and close a night as the flow does."""
        run = self.plan(**over)
        self.verify(run)
        return run, self.end(run)

    def manifest(self, ended: dict[str, Any]) -> dict[str, Any]:
        return dict(json.loads(Path(ended["manifest"]).read_text(encoding="utf-8")))

    def order(self, kind: str, target: str = "", why: str = "because") -> Decision:
        return Decision(kind, target, "Li", why, self.runtime.ledger.clock_us())

    def night(self, **over: Any) -> tuple[Any, Reconciled]:
        run = self.plan(**over)
        self.verify(run)
        return run, self.close(run)

    def judge(self) -> Judgement:
        return judge(
            ledger=self.profile.ledger_url,
            journal=self.twin.at.journal,
            results=self.results,
            planned=self.planned,
        )


@pytest.fixture
def nights(twin: Twin, make_profile: Callable[..., Profile], tmp_path: Path) -> Iterator[Callable[..., Nights]]:
    """Return a function that sets up nights against the twin; profile sections can be given."""
    opened: list[Nights] = []

    def make(**over: Any) -> Nights:
        made = Nights(make_profile(twin.at.ivs, twin.at.project_id, **over), twin, tmp_path)
        opened.append(made)
        return made

    yield make
    for one in opened:
        one.runtime.close()
