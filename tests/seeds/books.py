"""The judge of a seed: after every commit the caps, in the end everything."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import Counter
from pathlib import Path
from typing import Any

from tests.seeds.provider import Provider

TABLES = {
    "calls": "call_id", "unsent": "run_id, record_ref", "budget": "scope", "tiers": "month, family", "quota": "name",
    "switches": "name", "decisions": "decision",
}  # fmt: skip
RUNS = "SELECT run_id, sequence, as_of_us, state, stop, epoch, owner, created_us, started_us FROM runs ORDER BY run_id"


class BrokenPromiseError(AssertionError):
    """What a seed has shown to be untrue."""


class Books:
    """Looks into the ledger file from outside, as an auditor would."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self.commits = 0

    def close(self) -> None:
        self._db.close()

    def rows(self, question: str, *values: Any) -> list[sqlite3.Row]:
        return list(self._db.execute(question, values))

    def after_commit(self) -> None:
        """No cap is passed at this instant, and what is booked is what the calls say."""
        self.commits += 1
        for scope in self.rows("SELECT * FROM budget"):
            spent = scope["certain_micros"] + scope["possible_micros"]
            promise(spent <= scope["cap_micros"], f"over the cap of {scope['scope']}: {spent}")
            most = scope["cap_calls"]
            promise(not most or scope["calls"] <= most, f"over the cap of calls of {scope['scope']}")
            self._booked_right(scope)
        twice = self.rows("SELECT question FROM calls WHERE open = 1 GROUP BY question HAVING count(*) > 1")
        promise(not twice, "a question has two open calls")

    def _booked_right(self, scope: sqlite3.Row) -> None:
        kind, _, name = scope["scope"].partition(":")
        column = {"run": "run_id", "night": "night", "month": "substr(night, 1, length(night) - 10) || month"}[kind]
        (of,) = self.rows(
            "SELECT coalesce(sum(CASE WHEN charge = 'certain' THEN price_micros END), 0) AS certain, "
            "coalesce(sum(CASE WHEN charge = 'possible' THEN worst_micros END), 0) AS possible, "
            f"coalesce(sum(charge <> 'none'), 0) AS calls FROM calls WHERE {column} = ?",
            name,
        )
        booked = scope["certain_micros"], scope["possible_micros"], scope["calls"]
        promise(booked == tuple(of), f"{scope['scope']} books {booked}, its calls say {tuple(of)}")

    def dump(self) -> str:
        """Return all that the ledger says, as text; what is sealed at random in a plan is left out."""
        lines = [repr(tuple(row)) for row in self.rows(RUNS)]
        for table, key in TABLES.items():
            lines += [f"{table} {tuple(row)!r}" for row in self.rows(f"SELECT * FROM {table} ORDER BY {key}")]
        return "\n".join(lines)


def promise(kept: bool, what: str) -> None:
    if not kept:
        raise BrokenPromiseError(what)


def judged(books: Books, provider: Provider) -> Counter[str]:
    """Hold the ledger against the provider's own list of requests, and count."""
    calls = {row["call_id"]: row for row in books.rows("SELECT * FROM calls")}
    seen = {request.uuid: request for request in provider.requests}
    promise(len(seen) == len(provider.requests), "a uuid was sent twice")
    promise(seen.keys() <= calls.keys(), "a request came that the ledger does not know")
    for name, request in seen.items():
        charge = calls[name]["charge"]
        promise(not request.billed or charge in {"certain", "possible"}, f"{request.fate}: billed, and charge {charge}")
        promise(request.billed or charge != "certain", f"{request.fate}: not billed, and certain")
    certain = [call for call in calls.values() if call["charge"] == "certain"]
    promise(all(call["call_id"] in seen for call in certain), "certain money for a call that never came")
    billed = Counter(request.question for request in seen.values() if request.billed)
    promise(max(billed.values(), default=0) <= 1, "a question was billed twice")
    undecided = [call for call in calls.values() if call["charge"] != "none" and not call["decision"]]
    asked = Counter(call["question"] for call in undecided)
    promise(max(asked.values(), default=0) <= 1, "a question may have been paid twice")
    possible = sum(call["charge"] == "possible" for call in calls.values())
    promise(len(certain) <= sum(billed.values()) <= len(certain) + possible, "the bill is outside its bracket")
    promise(not any(call["state"] == "sent" for call in calls.values()), "a call is still under way")
    return Counter(
        calls=len(calls), requests=len(seen), billed=sum(billed.values()), certain=len(certain), possible=possible,
        withdrawn=sum(call["state"] == "withdrawn" for call in calls.values()),
    )  # fmt: skip


def within_quota(granted: dict[str, list[int]], rates: dict[str, float]) -> None:
    """In any sliding second no lane granted more slots than its rate."""
    for lane, slots in granted.items():
        slots.sort()
        for place, slot in enumerate(slots):
            inside = bisect_left(slots, slot + 1_000_000) - place
            promise(inside <= rates[lane], f"{lane}: {inside} slots within a second, {rates[lane]} allowed")
