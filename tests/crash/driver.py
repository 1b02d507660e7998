"""Kill a night again and again at random instants, restart it until it is done, and let the judge count.

    python -m tests.crash.driver [kills] [records] [seed]      the long form: 1000 5000

Prints a table; each third night has its ledger on PostgreSQL. What is promised: 0 lost, 0 doubled, 0 unaccounted paid
calls, nothing paid twice; per kill no more in doubt than calls were in flight; and the night after pays for nothing.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import NullPool, create_engine, text

from tasks.local.provider import LocalProvider, provider
from tasks.plan.questions import record_ref
from tasks.privacy import Personal
from tasks.records import Record
from tasks.runtime import Runtime
from tasks.settings import Profile, Secrets
from tests.databases import reading
from tests.judge import Judgement, judge, rows_of
from tests.people import invented
from tests.postgres import postgres_server

ROOT = Path(__file__).resolve().parents[2]
IN_FLIGHT = 16
KEY = "k:" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


def prepare(folder: Path, at: LocalProvider, people: int | list[tuple[str, str]], per_s: int, **over: Any) -> None:
    """Make a folder that a worker can start from; `over` are parts of the profile, sections are merged."""
    people = invented(people) if isinstance(people, int) else people
    for name in ("records", "results", "staging"):
        (folder / name).mkdir()
    profile: dict[str, Any] = {
        "name": "crash",
        "kind": "demo",
        "language": "en",
        "home": str(folder / "home"),
        "account": {"endpoint": at.ivs, "project_id": at.project_id, "read_timeout_s": 60},
        "source": {"records": str(folder / "records")},
        "limits": {
            "rate_per_s": {"two_factor": per_s, "three_factor": per_s},
            "headroom_pct": 0,
            "in_flight": IN_FLIGHT,
            "chunk_records": 250,
            "canary": {"records": 5},
            "breaker": {"in_a_row": 100, "in_a_run": 10_000},
        },
        "money": {
            "price_file": str(ROOT / "configs" / "prices" / "invented.toml"),
            "cap_run": "1000000",
            "cap_night": "1000000",
            "cap_month": "1000000",
            "approve_above": "1000000",
        },
        "privacy": {"staging": str(folder / "staging")},
        "output": {"results": str(folder / "results"), "xlsx_rows": 0},
    }
    for key, value in over.items():
        profile[key] = profile[key] | value if isinstance(value, dict) else value
    (folder / "profile.json").write_text(json.dumps(profile), encoding="utf-8")
    secrets = {"ACCESS_KEY": at.access_key.reveal(), "SECRET_KEY": at.secret_key.reveal(), "PSEUDONYM_KEYS": KEY}
    held = {f"IVS_BACKFILL_{name}": value for name, value in secrets.items()}
    (folder / "secrets.json").write_text(json.dumps(held), encoding="utf-8")
    with (folder / "records" / "people.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("客户号", "姓名", "证件号码"), *((f"C{n}", *one) for n, one in enumerate(people))])


def refs(records: int) -> set[str]:
    names = Secrets({"IVS_BACKFILL_PSEUDONYM_KEYS": KEY}).pseudonyms()
    return {record_ref(Record("people.csv", n + 2, Personal(f"C{n}")), names) for n in range(records)}


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.crash.worker", str(folder), *words],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )


def opened(folder: Path) -> None:
    """Make a folder's ledger before anybody needs it."""
    profile = Profile.model_validate_json((folder / "profile.json").read_text(encoding="utf-8"))
    held = Runtime(profile, Secrets(json.loads((folder / "secrets.json").read_text(encoding="utf-8"))))
    held.ledger.close()


@dataclass
class Told:
    """The story of one killed night, and of the one after it."""

    database: str
    found: Judgement
    records: int
    kills: int = 0
    restarts: int = 0
    most_in_doubt: int = 0
    over_in_flight: int = 0
    billed_after: int = 0

    @property
    def findings(self) -> int:
        """How many promises were broken."""
        return (not self.found.clean) + (self.over_in_flight > 0) + (self.billed_after > 0)

    @property
    def row(self) -> tuple[Any, ...]:
        found = self.found
        return (
            self.database, self.kills, self.restarts, self.records, found.counts["billed"], found.counts["in doubt"],
            self.most_in_doubt, found.lost, found.doubled, found.unaccounted, found.paid_twice, self.billed_after,
        )  # fmt: skip


HEADS = (
    "ledger", "kills", "restarts", "records", "paid calls", "in doubt", "most at a kill", "lost", "doubled",
    "unaccounted", "paid twice", "paid again the night after",
)  # fmt: skip


def table(stories: list[Told]) -> str:
    """Return the stories as a table, with a last line for all."""
    rows = [story.row for story in stories]
    whole = (
        "all",
        *(max(column) if place == 6 else sum(column) for place, column in enumerate(zip(*rows, strict=True)) if place),
    )
    lines = [HEADS, *rows, whole] if len(rows) > 1 else [HEADS, *rows]
    return "\n".join(
        "  ".join(f"{cell!s:>{len(head)}}" for cell, head in zip(line, HEADS, strict=True)) for line in lines
    )


def drive(kills: int, records: int, seed: int, *, per_s: int = 400, url: str = "") -> Told:
    """Run one killed night to its end, and the night after; return the story and what the judge found.

    Args:
        kills: how often the process is killed.
        records: how many records the night has.
        seed: of the instants.
        per_s: calls a second.
        url: the ledger's database; an SQLite file of the night's own where empty.
    """
    dice = random.Random(seed)
    told = Told(url.partition(":")[0].partition("+")[0] or "sqlite", Judgement(), records)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "twin.toml"
        config.write_text(
            "[[quota]]\nlimit = 10000000\nburst = 10000000\n"
            '[[faults]]\nfault = "latency"\nargs = { low_s = 0.005, high_s = 0.04 }\n',
            encoding="utf-8",
        )
        with provider(folder / "twin", config=config) as at:
            prepare(folder, at, records, per_s, ledger=url)
            doubts = 0
            while not (folder / "done").exists():
                told.restarts += 1
                killed = once(folder, dice if told.kills < kills else None, journal=at.journal, most=records // kills)
                told.kills += killed
                now = open_calls(folder)
                told.most_in_doubt = max(told.most_in_doubt, now - doubts)
                told.over_in_flight += now - doubts > IN_FLIGHT * killed
                doubts = now
            told.found = judged(folder, at, records)
            (folder / "done").unlink()
            once(folder, None, "again")
            after = judged(folder, at, records)
            told.billed_after = after.counts["billed"] - told.found.counts["billed"]
            told.found = told.found if not told.found.clean else after
    return told


def open_calls(folder: Path) -> int:
    """Count the calls that are under way or in doubt: after a kill, what the next start will find in doubt."""
    try:
        calls = rows_of(profile_of(folder).ledger_url, "calls")
    except Exception:  # noqa: BLE001  # killed before there was a ledger
        return 0
    return sum(call["state"] in {"sent", "in_doubt"} for call in calls)


def profile_of(folder: Path) -> Profile:
    return Profile.model_validate_json((folder / "profile.json").read_text(encoding="utf-8"))


def judged(folder: Path, at: LocalProvider, records: int) -> Judgement:
    ended = json.loads((folder / "done").read_text(encoding="utf-8"))
    assert not ended["stop"], ended
    return judge(
        ledger=profile_of(folder).ledger_url,
        journal=at.journal,
        results={ended["run_id"]: pq.read_table(folder / "out" / "results.parquet")},
        planned={ended["run_id"]: refs(records)},
    )


def once(folder: Path, dice: random.Random | None, *words: str, journal: Path | None = None, most: int = 0) -> int:
    """Start the worker, and kill it at a random instant of its life, or let it end; return how many were killed."""
    child = start(folder, *words)
    if dice is None:
        child.wait(300)
        assert child.returncode == 0, (folder / "worker.log").read_text(encoding="utf-8")[-2_000:]
        return 0
    wait_for_instant(child, dice, journal, most)
    if child.poll() is not None:
        assert child.returncode == 0, (folder / "worker.log").read_text(encoding="utf-8")[-2_000:]
        return 0
    child.send_signal(signal.SIGKILL)
    child.wait()
    forgotten(profile_of(folder).ledger_url)
    return 1


def forgotten(url: str) -> None:
    """Wait until a PostgreSQL server has noticed that the processes that used a database are dead."""
    if not url.startswith("postgresql"):
        return
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ends = time.monotonic() + 30
    with create_engine(url, poolclass=NullPool).connect() as connection:
        while connection.execute(text(others)).scalar_one():
            assert time.monotonic() < ends
            time.sleep(0.01)
            connection.rollback()


def wait_for_instant(child: subprocess.Popen[bytes], dice: random.Random, journal: Path | None, most: int) -> None:
    """Wait for a random instant: of the start, or of the sending, so many requests after it began."""
    if journal is None or dice.random() < 0.2:
        time.sleep(dice.uniform(0.3, 2.2))
        return
    until = requests(journal) + dice.randint(1, max(most - 2 * IN_FLIGHT, 1))
    while child.poll() is None and requests(journal) < until:
        time.sleep(0.01)
    time.sleep(dice.uniform(0, 0.05))


def held_back(folder: Path) -> int:
    """Count the calls that left half a second ago or earlier, and have no answer."""
    sent = "SELECT count(*) FROM calls WHERE state = 'sent' AND sent_us < ?"
    with reading(folder / "home" / "ledger.sqlite") as db:
        return int(db.execute(sent, (time.time_ns() // 1_000 - 500_000,)).fetchone()[0])


def requests(journal: Path) -> int:
    """Count what came to the provider so far."""
    with reading(journal) as db:
        return int(db.execute("SELECT count(*) FROM requests").fetchone()[0])


def main() -> None:
    kills, records, seed = (int(word) for word in [*sys.argv[1:], *("1000", "5000", "1")[len(sys.argv) - 1 :]][:3])
    stories: list[Told] = []
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)  # noqa: PTH101
        with postgres_server(Path(name)) as server:
            while (done := sum(story.kills for story in stories)) < kills:
                url = server.url(server.database()) if len(stories) % 3 == 2 else ""
                stories.append(drive(min(40, kills - done), records, seed + len(stories), url=url))
                print(table(stories[-1:]), flush=True)
    bad = sum(story.findings for story in stories)
    print(f"\n{table(stories)}\n{len(stories)} nights, {bad} findings")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
