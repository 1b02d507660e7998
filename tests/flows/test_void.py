"""What is void is never relied on again: marked in a revision, asked again the next night, its money kept."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from flows.voids import Voided, void_now
from tasks.ledger import LedgerError, RunBusyError
from tasks.runtime import Runtime
from tests.nights import Nights
from tests.people import fixed, invented

Make = Callable[..., Nights]
SECOND, THIRD = dt.date(2026, 11, 25), dt.date(2026, 11, 26)


def void(night: Nights, run: Any, file: str = "") -> Voided:
    return void_now(night.runtime, run.run_id, file, who="Li", why="wrong pictures")


def voided(night: Nights, run: Any) -> set[tuple[str, str]]:
    rows = night.results[run.run_id].to_pylist()
    return {(row["source_file"], row["voided"]) for row in rows}


def test_a_void_run_is_marked_asked_again_and_keeps_its_money(nights: Make) -> None:
    night = nights()
    people = invented(5)
    night.people([*people, people[0]])
    run, first = night.whole()
    assert void(night, run).calls == 5
    second = night.end(run)
    assert second["records"]["outcomes"] == first["records"]["outcomes"] == {"verified": 5, "duplicate": 1}
    assert (second["run_money"], second["revision"], second["voided"]) == (first["run_money"], 2, 6)
    assert voided(night, run) == {("people.csv", "yes")}
    due = {row["next_due"] for row in night.results[run.run_id].to_pylist() if row["outcome"] == "verified"}
    assert due == {"2026-11-24"}, "they are due"
    _, again = night.whole(business_date=SECOND)
    assert again["records"]["outcomes"] == {"verified": 5, "duplicate": 1}
    assert len(night.twin.journal()) == 10
    assert night.judge().clean


def test_a_void_file_takes_its_own_verdicts_and_those_that_hang_on_them(nights: Make) -> None:
    night = nights()
    ours, theirs = invented(4), invented(3, 5)
    night.people(ours, "a.csv")
    night.people([*theirs, ours[0]], "b.csv")
    run, _ = night.whole()
    assert void(night, run, "a.csv").calls == 4
    night.end(run)
    marked = {(row["source_file"], row["source_row"]): row["voided"] for row in night.results[run.run_id].to_pylist()}
    assert {place for place, said in marked.items() if said == "no"} == {("b.csv", 2), ("b.csv", 3), ("b.csv", 4)}
    _, again = night.whole(business_date=SECOND)
    assert again["records"]["outcomes"] == {"verified": 4, "reused": 3, "duplicate": 1}
    assert len(night.twin.journal()) == 11
    assert night.judge().clean


def test_later_runs_that_relied_on_void_verdicts_are_named_and_marked(nights: Make) -> None:
    night = nights()
    night.people(invented(3))
    first, _ = night.whole()
    second, relied = night.whole(business_date=SECOND)
    assert relied["records"]["outcomes"] == {"reused": 3}
    assert void(night, first).relying == (second.run_id,)
    assert night.end(second)["voided"] == 3
    assert voided(night, second) == {("people.csv", "yes")}
    night.end(first)
    assert night.judge().clean


def test_a_doubt_of_a_void_run_stays_fenced_until_it_is_decided(nights: Make) -> None:
    night = nights()
    night.people([*invented(2), fixed("504")])
    run, _ = night.whole()
    void(night, run)
    _, again = night.whole(business_date=SECOND)
    assert again["records"]["outcomes"] == {"verified": 2, "in_doubt": 1}
    (doubt,) = night.runtime.ledger.doubts()
    assert doubt.run_id == run.run_id
    assert len(night.twin.journal()) == 5
    night.runtime.ledger.decide_doubt(doubt.call_id, "resend", who="Li", why="because", decision="d9")
    night.whole(business_date=THIRD)
    assert len(night.twin.journal()) == 6
    night.end(run)
    assert night.judge().clean


def test_void_twice_is_one_line_and_a_void_run_is_not_continued(nights: Make) -> None:
    night = nights()
    night.people(invented(2))
    run, _ = night.whole()
    void(night, run)
    for file in ("", "people.csv"):
        with pytest.raises(LedgerError, match="is void already, by Li: wrong pictures"):
            void(night, run, file)
    with pytest.raises(LedgerError, match="none of that name"):
        void(night, run, "other.csv")
    with pytest.raises(LedgerError, match="plan its date again"):
        night.verify(run)
    with pytest.raises(LedgerError, match="plan its date again"):
        night.redrive(run)


def test_a_run_under_way_is_not_made_void(nights: Make) -> None:
    night = nights()
    night.people(invented(2))
    run = night.plan()
    other = Runtime(night.profile, night.runtime.secrets)
    other.ledger.take(run.run_id, [])
    with pytest.raises(RunBusyError, match="before it is made void"):
        void(night, run)
    other.close()


def test_exceptions_are_not_raised_for_void_verdicts(nights: Make) -> None:
    night = nights()
    night.people([*invented(2, 3, "2001"), fixed("504")])
    run, first = night.whole()
    void(night, run)
    second = night.end(run)

    def raised(ended: dict[str, Any]) -> list[str]:
        path = night.folder / "results" / run.run_id / f"r{ended['revision']}" / "exceptions.csv"
        with path.open(encoding="utf-8") as file:
            return sorted(row["class"] for row in csv.DictReader(file))

    assert raised(first) == ["in_doubt", "mismatch", "mismatch"]
    assert raised(second) == ["in_doubt"]


def test_a_run_that_is_taken_at_that_moment_is_not_made_void(nights: Make) -> None:
    night = nights()
    night.people(invented(2))
    run, _ = night.whole()
    other = Runtime(night.profile, night.runtime.secrets)
    night.runtime.ledger.clock_us = lambda: other.ledger.take(run.run_id, [])
    with pytest.raises(RunBusyError, match="a moment ago"):
        void(night, run)
    other.close()
