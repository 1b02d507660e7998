"""Input that changes after planning: no record is sent from bytes that were not planned, on a folder and on a real S3."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks import ingest
from tasks.ledger.runs import plan_of
from tasks.plan import PlanKey, load_or_make
from tasks.reconcile import reconcile
from tasks.runtime import Runtime
from tasks.settings import Profile, Secrets
from tasks.verify.night import open_night
from tests.conftest import KEY, Twin
from tests.judge import judge
from tests.people import invented
from tests.sample import make_sample as sample

RECORDS = 8
PEOPLE = invented(RECORDS)


@pytest.fixture(params=["folder", "s3"])
def held(
    request: pytest.FixtureRequest, twin: Twin, make_profile: Callable[..., Profile], tmp_path: Path
) -> Iterator[Runtime]:
    """A runtime whose records and media lie in a folder, or below a prefix of their own in the S3 server."""
    secrets = {"ACCESS_KEY": twin.at.access_key, "SECRET_KEY": twin.at.secret_key}
    over: dict[str, Any] = {"policy": {"default_check": "id3_text_face"}}
    if request.param == "s3":
        s3 = request.getfixturevalue("s3")
        base = f"s3://tests/{uuid.uuid4().hex}"
        over |= {"source": {"records": f"{base}/records", "media": f"{base}/media"}}
        over |= {"storage": s3.settings().model_dump()}
        secrets |= {"STORE_ACCESS_KEY": s3.access_key, "STORE_SECRET_KEY": s3.secret_key}
    held = {f"IVS_BACKFILL_{name}": value.reveal() for name, value in secrets.items()}
    made = Runtime(
        make_profile(twin.at.ivs, twin.at.project_id, **over),
        Secrets(held | {"IVS_BACKFILL_PSEUDONYM_KEYS": f"test:{KEY}"}),
    )
    yield made
    made.close()


def picture(place: int, whose: int) -> bytes:
    return sample.jpeg(sample.face(place), {"face_of": PEOPLE[whose][1]})


def write_records(held: Runtime, people: list[tuple[str, str]]) -> None:
    lines = ["customer_no,name,id_number,face_key"]
    lines += [f"C{place},{name},{number},{place}.jpg" for place, (name, number) in enumerate(people)]
    held.records.put("people.csv", "\n".join(lines).encode("utf-8"))


def planned(held: Runtime) -> Any:
    for place in range(RECORDS):
        held.media.put(f"{place}.jpg", picture(place, place))
    write_records(held, PEOPLE)
    rows = lambda _told: ingest.read_source(held.records, held.profile.source)  # noqa: E731
    return load_or_make(held, PlanKey(dt.date(2026, 11, 24)), rows)


def verified(held: Runtime, run: Any) -> None:
    night = open_night(held, run, 10**9)

    async def go() -> None:
        await night.verify(chunk)
        await night.asker.client.aclose()

    async def chunk(part: Any) -> None:
        await night.chunk(part)

    asyncio.run(go())


def test_what_changed_after_planning_is_not_sent(held: Runtime, twin: Twin, tmp_path: Path) -> None:
    run = planned(held)
    same_size = bytearray(picture(1, 1))
    same_size[-10] ^= 1
    held.media.put("1.jpg", bytes(same_size))
    held.media.put("2.jpg", picture(99, 2))
    held.media.put("3.jpg", picture(4, 4))  # another planned person's picture
    held.media.delete("4.jpg")
    write_records(held, invented(RECORDS, 9, "2001"))
    verified(held, run)
    found = reconcile(
        held.ledger.run(run.run_id),
        revision=1,
        profile=held.profile,
        ledger=held.ledger,
        staging=held.staging(plan_of(run)["staging"]),
        folder=tmp_path,
    )
    assert found.outcomes == {"verified": 4, "rejected": 4}
    assert found.reasons == {"media_changed": 3, "media_missing": 1}
    table = pq.read_table(tmp_path / "results.parquet")
    sent = {row["call_id"] for row in table.to_pylist() if row["outcome"] == "verified"}
    assert {request["uuid"] for request in twin.journal()} == sent
    refs = set(table.column("record_ref").to_pylist())
    judged = judge(
        ledger=held.profile.ledger_url, journal=twin.at.journal, results={run.run_id: table}, planned={run.run_id: refs}
    )
    assert judged.clean, str(judged)


def test_a_staged_chunk_that_was_changed_stops_the_night_before_a_call(held: Runtime, twin: Twin) -> None:
    run = planned(held)
    staged = sorted(Path(held.profile.privacy.staging).rglob("*"))
    chunk = max(
        (path for path in staged if path.is_file() and "chunk" in path.name), key=lambda path: path.stat().st_size
    )
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(bytes(data))
    with pytest.raises(Exception, match="not what the plan wrote"):
        verified(held, run)
    assert twin.journal() == []
