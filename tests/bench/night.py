"""20,000 two-factor records against the local provider with its quota lifted: how much of the time is our own.

    python -m tests.bench.night [records]

Prints records per second, peak memory, and beside it a bare loop that signs and sends the same bodies with the same
client in the same run.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import datetime as dt
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from tasks import ingest
from tasks.approve import approved_cap
from tasks.ivs.client import Check
from tasks.local.provider import LocalProvider, provider
from tasks.plan import PlanKey, load_or_make
from tasks.privacy import Personal
from tasks.records import Operation
from tasks.runtime import Runtime
from tasks.settings import Profile, Secrets
from tasks.settings.load import CONFIGS
from tasks.verify.night import open_night
from tests.memory import peak_mb
from tests.people import invented


def profile(folder: Path, at: LocalProvider) -> Profile:
    for name in ("records", "results", "staging"):
        (folder / name).mkdir()
    return Profile.model_validate(
        {
            "name": "bench",
            "kind": "demo",
            "home": str(folder / "home"),
            "account": {"endpoint": at.ivs, "project_id": at.project_id},
            "source": {"records": str(folder / "records")},
            "limits": {
                "rate_per_s": {"two_factor": 100_000, "three_factor": 100_000},
                "headroom_pct": 0,
                "in_flight": 64,
                "chunk_records": 1_000,
                "canary": {"records": 0},
            },
            "money": {
                "price_file": str(CONFIGS / "prices" / "invented.toml"),
                "cap_run": "1000000",
                "cap_night": "1000000",
                "cap_month": "1000000",
                "approve_above": "1000000",
            },
            "privacy": {"staging": str(folder / "staging")},
            "output": {"results": str(folder / "results")},
        }
    )


def secrets(at: LocalProvider) -> Secrets:
    return Secrets(
        {
            "IVS_BACKFILL_ACCESS_KEY": at.access_key.reveal(),
            "IVS_BACKFILL_SECRET_KEY": at.secret_key.reveal(),
            "IVS_BACKFILL_PSEUDONYM_KEYS": f"b:{base64.b64encode(b'b' * 32).decode()}",
        }
    )


async def bare(held: Runtime, people: list[tuple[str, str]]) -> float:
    """Sign and send the same questions with nothing around them; return calls a second."""
    client = held.client()
    places = asyncio.Semaphore(64)

    async def depart() -> None:
        return None

    async def one(name: str, number: str) -> None:
        async with places:
            body = await client.encode(Check(Operation.ID2_TEXT, Personal(name), Personal(number)))
            await client.call(body, uuid=uuid.uuid4().hex, depart=depart)

    began = time.perf_counter()
    await asyncio.gather(*(one(*person) for person in people))
    took = time.perf_counter() - began
    await client.aclose()
    return len(people) / took


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    people = invented(count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "twin.toml"
        config.write_text("[[quota]]\nlimit = 10000000\nburst = 10000000\n", encoding="utf-8")
        with provider(folder / "twin", config=config) as at:
            measure(folder, at, people)


def measure(folder: Path, at: LocalProvider, people: list[tuple[str, str]]) -> None:
    held = Runtime(profile(folder, at), secrets(at))
    with (folder / "records" / "people.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("客户号", "姓名", "证件号码"), *((f"C{n}", *one) for n, one in enumerate(people))])
    before = [asyncio.run(bare(held, people[:3_000])) for _ in range(2)]
    planned = time.perf_counter()
    rows: Any = lambda _told: ingest.read_source(held.records, held.profile.source)  # noqa: E731
    run = load_or_make(held, PlanKey(dt.date(2026, 11, 24)), rows)
    plan_s = time.perf_counter() - planned
    verify_s, cpu_s = asyncio.run(verify(held, run))
    after = [asyncio.run(bare(held, people[:3_000])) for _ in range(2)]
    held.close()
    bare_per_s = statistics.median([*before, *after])
    per_s = len(people) / verify_s
    print(f"records {len(people)}, planned in {plan_s:.1f} s")
    print(
        f"verified at {per_s:.0f} records/s, {1000 * cpu_s / len(people):.2f} ms of our CPU each, peak {peak_mb():.0f} MB"
    )
    print(f"bare loop, same client, same provider: {bare_per_s:.0f} calls/s; ratio {per_s / bare_per_s:.2f}")
    print(f"share of the time outside the provider's answer: {1 - per_s / bare_per_s:.0%}")


async def verify(held: Runtime, run: Any) -> tuple[float, float]:
    cap = approved_cap(held.ledger, run, held.profile.money)
    night = open_night(held, run, cap or 0)

    async def chunk(part: Any) -> None:
        await night.chunk(part)

    began, cpu = time.perf_counter(), time.process_time()
    await night.verify(chunk)
    took = time.perf_counter() - began, time.process_time() - cpu
    await night.asker.client.aclose()
    assert night.progress.outcomes == {"verified": sum(night.progress.outcomes.values())}, night.progress.outcomes
    return took


if __name__ == "__main__":
    main()
