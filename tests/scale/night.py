"""A population of any size in plain folders, its plan, and a ledger in which every call was answered: no provider."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from tasks import ingest
from tasks.ledger.runs import plan_of
from tasks.ledger.schema import calls
from tasks.plan import PlanKey, load_or_make
from tasks.records.numbers import check_character
from tasks.runtime import Runtime
from tasks.settings import Profile, Secrets
from tasks.settings.load import CONFIGS
from tasks.staging import Staging

ON = dt.date(2026, 11, 24)
TOGETHER = 20
HEADINGS = "客户号,姓名,证件号码,机构号,风险等级,成本中心,证件有效期至"
FOLDERS = ("records", "results", "staging")
SECRETS = {
    "IVS_BACKFILL_ACCESS_KEY": "a",
    "IVS_BACKFILL_SECRET_KEY": "b",
    "IVS_BACKFILL_PSEUDONYM_KEYS": f"s:{base64.b64encode(b's' * 32).decode()}",
}


def person(n: int) -> str:
    """Return the n-th invented person, born before 1900, as a line; every hundredth repeats the one before it."""
    who = n - 1 if n % 100 == 99 else n
    day, month, year = who // 1000 % 28, who // 28_000 % 12, who // 336_000 % 100
    body = f"4405{who // 33_600_000 % 90 + 10}{1800 + year}{month + 1:02d}{day + 1:02d}{who % 1000:03d}"
    name = chr(0x4E00 + who % 5000) + chr(0x5000 + who % 7919)
    risk = "高中低"[n % 3]
    return f"C{n:09d},{name},{body}{check_character(body)},4405{n % 90:02d},{risk},CC-{n % 7:02d},2030-01-01\n"


def opened(folder: Path, count: int) -> Runtime:
    """Write `count` people below `folder`, and return a runtime over it."""
    for name in FOLDERS:
        (folder / name).mkdir()
    with (folder / "records" / "people.csv").open("w", encoding="utf-8") as file:
        file.write(f"{HEADINGS}\n")
        file.writelines(map(person, range(count)))
    return Runtime(profile(folder), Secrets(SECRETS))


def profile(folder: Path) -> Profile:
    """Return a profile over plain folders whose caps never matter."""
    plenty = "100000000"
    return Profile.model_validate(
        {
            "name": "scale",
            "kind": "demo",
            "home": str(folder / "home"),
            "account": {"endpoint": "http://127.0.0.1:1", "project_id": "p"},
            "source": {"records": str(folder / "records")},
            "money": {
                "price_file": str(CONFIGS / "prices" / "invented.toml"),
                **dict.fromkeys(("cap_run", "cap_night", "cap_month", "approve_above"), plenty),
            },
            "privacy": {"staging": str(folder / "staging")},
            "output": {"results": str(folder / "results"), "xlsx_rows": 0},
        }
    )


def planned(held: Runtime, *, told: Callable[[int], None] = lambda _rows: None, **over: Any) -> Any:
    """Return the run of the population, planned now or found; `told` hears how many rows were read."""

    def rows(_inputs: Any) -> Iterator[Any]:
        read = 0
        for batch in ingest.read_source(held.records, held.profile.source):
            yield batch
            read += len(batch)
            told(read)

    return load_or_make(held, PlanKey(ON, **over), rows)


def staging_of(held: Runtime, run: Any) -> Staging:
    """Return where a run is staged."""
    return held.staging(plan_of(run)["staging"])


def answer(held: Runtime, run: Any, *, but_last: int = 0) -> int:
    """Write an answered call for every planned record but those of the last chunks, and return how many."""
    staging = staging_of(held, run)
    chunks = staging.manifest(plan_of(run)["manifest_sha256"]).chunks
    chunks = chunks[: len(chunks) - but_last]
    for start in range(0, len(chunks), TOGETHER):
        some = chunks[start : start + TOGETHER]
        rows = [row for part in some for row in _answered(run, part.chunk, staging.read(part).to_pylist())]
        held.ledger.write(lambda c, rows=rows: _insert(c, rows))
    return sum(part.rows for part in chunks)


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(calls), rows)


def _answered(run: Any, chunk: int, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    same = ("record_ref", "question", "subject", "key_id", "operation", "family", "cost_centre", "org_code")
    for row in rows:
        yield {name: row[name] for name in same} | {
            "call_id": f"{run.run_id[-4:]}{row['record_ref']}{'0' * 12}",
            "run_id": run.run_id,
            "epoch": 1,
            "owner": "scale",
            "chunk": chunk,
            "attempt": 1,
            "night": "scale:2026-11-24",
            "month": "2026-11",
            "sent_us": run.as_of_us + 1,
            "ended_us": run.as_of_us + 2,
            "state": "answered",
            "answer": "verdict",
            "charge": "certain",
            "open": 0,
            "worst_micros": 500_000,
            "price_micros": 500_000,
            "status": 200,
            "verification_code": "1000",
            "verification_result": "SUCCESS",
            "request_id": "0" * 32,
            "outcome": "verified",
        }
