"""The one judge of every night: plan, ledger and results on one side, the provider's own journal on the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.databases import reading


@dataclass
class Judgement:
    """Counts of what must never be; `counts` of what was."""

    lost: int = 0
    doubled: int = 0
    unaccounted: int = 0
    paid_twice: int = 0
    wrong_charge: int = 0
    over_cap: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not any((self.lost, self.doubled, self.unaccounted, self.paid_twice, self.wrong_charge, self.over_cap))

    def __str__(self) -> str:
        told = (
            f"lost {self.lost}, doubled {self.doubled}, unaccounted {self.unaccounted}, paid twice {self.paid_twice}, "
            f"wrong charge {self.wrong_charge}, over cap {self.over_cap}"
        )
        return f"{told} ({', '.join(f'{name} {count}' for name, count in self.counts.items())})"


def rows_of(path: Path | str, table: str) -> list[dict[str, Any]]:
    """Return a table's rows from an SQLite file another process may be writing, or by the URL of a database."""
    if isinstance(path, str):
        from sqlalchemy import NullPool, create_engine, text

        with create_engine(path, poolclass=NullPool).connect() as connection:
            return [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]
    with reading(path) as db:
        return [dict(row) for row in db.execute(f"SELECT * FROM {table}")]


def judge(
    *, ledger: Path | str, journal: Path, results: dict[str, pa.Table], planned: dict[str, set[str]]
) -> Judgement:
    """Judge nights of one ledger against the provider's journal.

    Args:
        ledger: the ledger's SQLite file, or its URL.
        journal: the simulator's journal.
        results: the latest result table of each run, by run id.
        planned: the record references each run's input should give.
    """
    found = Judgement()
    for run_id, wanted in planned.items():
        refs = Counter(results[run_id].column("record_ref").to_pylist())
        found.lost += len(wanted - refs.keys())
        found.doubled += sum(count - 1 for count in refs.values()) + len(refs.keys() - wanted)
    calls = {row["call_id"]: row for row in rows_of(ledger, "calls")}
    requests = rows_of(journal, "requests")
    _money(found, calls, requests, _allowed(calls, rows_of(ledger, "decisions")))
    for scope in rows_of(ledger, "budget"):
        found.over_cap += scope["certain_micros"] + scope["possible_micros"] > scope["cap_micros"]
    found.counts = {
        "records": sum(map(len, planned.values())),
        "calls": len(calls),
        "requests": len(requests),
        "billed": sum(row["billed"] for row in requests),
        "in doubt": sum(call["state"] == "in_doubt" for call in calls.values()),
    }
    return found


def _allowed(calls: dict[str, dict[str, Any]], decisions: list[dict[str, Any]]) -> Counter[str]:
    """How many more payments each question may have: one for each call that a decision lets be asked again."""
    kinds = {row["decision"]: row["kind"] for row in decisions}
    allowed: Counter[str] = Counter()
    for call in calls.values():
        by = {kinds[name] for name in (call["decision"], call["set_aside"]) if name}
        allowed[call["question"]] += bool(by & {"resend", "redrive", "standing", "void"})
    return allowed


def _money(
    found: Judgement, calls: dict[str, dict[str, Any]], requests: list[dict[str, Any]], allowed: Counter[str]
) -> None:
    billed = [row for row in requests if row["billed"]]
    for row in billed:
        call = calls.get(row["uuid"])
        if call is None or call["charge"] == "none":
            found.unaccounted += 1
    asked = Counter(row["input"] for row in billed)
    question_of = {row["input"]: calls[row["uuid"]]["question"] for row in billed if row["uuid"] in calls}
    found.paid_twice += sum(max(n - 1 - allowed[question_of.get(one, "")], 0) for one, n in asked.items())
    paid = {row["uuid"] for row in billed}
    found.wrong_charge += sum(call["charge"] == "certain" and name not in paid for name, call in calls.items())
