"""Conservation: whatever calls a row has, it ends once, with the money of all of them; and what does not add up fails."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from tasks.ledger.runs import Note
from tasks.reconcile.conserve import NotConservedError, Tally
from tasks.reconcile.exceptions import exception_rows
from tasks.reconcile.join import End, Facts, charge_of, end_of, result_row
from tasks.reconcile.tables import TableFiles
from tasks.records import PAID_ANSWERS, Outcome
from tasks.records.contracts import ContractError, contract
from tasks.settings import Policy
from tasks.staging import ROW_TEXT
from tasks.text import Text
from tests.nights import Nights
from tests.people import fixed, invented

FACTS = Facts("r1", dt.date(2026, 11, 24), 1, "", Policy().reverify_days, Text("en"))


def row(**over: Any) -> dict[str, Any]:
    base: dict[str, Any] = dict.fromkeys(ROW_TEXT, "")
    base |= {"record_ref": "R1", "source_file": "a.csv", "source_row": 2, "chunk": 0, "disposition": "ask"}
    return base | {"performed_check": "id2_text", "id_expiry_status": "not_given", "rule_version": "1"} | over


def call(**over: Any) -> Any:
    base = {
        "call_id": "c", "state": "answered", "outcome": "", "open": 0, "charge": "none", "price_micros": 0, "code": "", "verification_code": "",
        "similarity": "", "request_id": "", "ocr_name_match": "", "ocr_id_match": "", "ended_us": 1_795_000_000_000_000, "sent_us": 1_795_000_000_000_000, "answer": "", "set_aside": "",
    }  # fmt: skip
    return SimpleNamespace(**(base | over))


def noted(outcome: str, at_us: int, **more: str) -> SimpleNamespace:
    return SimpleNamespace(**asdict(Note(outcome, at_us, **more)), set_aside="")  # type: ignore[arg-type]


CALLS = st.sampled_from(
    [
        call(charge="none"),
        call(charge="certain", outcome="verified", price_micros=500_000, verification_code="1000"),
        call(charge="certain", outcome="mismatch", price_micros=500_000, verification_code="2001"),
        call(charge="certain", outcome="unreadable", price_micros=500_000, open=1),
        call(charge="possible", price_micros=500_000, open=1),
        call(charge="none", outcome="failed", code="IVS.0011"),
    ]
)
DISPOSITIONS = st.sampled_from(["ask", "reused", "duplicate", "rejected", "withheld"])


@settings(max_examples=400)
@given(st.lists(st.tuples(DISPOSITIONS, st.lists(CALLS, max_size=4), st.booleans()), max_size=30))
def test_outcomes_always_add_up_to_the_rows(story: list[tuple[str, list[Any], bool]]) -> None:
    tally = Tally()
    money = 0
    for place, (disposition, calls, left) in enumerate(story):
        planned = row(record_ref=f"R{place}", disposition=disposition, source_file=f"{place % 3}.csv")
        planned |= {"chunk": place % 4 if disposition == "ask" else -1, "cost_centre": f"CC{place % 2}"}
        planned |= (
            {"relied_on_outcome": "verified", "relied_on_at": "2026-01-01T00:00:00Z"} if disposition == "reused" else {}
        )
        mine = calls if disposition == "ask" else []
        unsent = (
            noted("rejected", 1_795_000_000_000_001, reason="bad_media", reason_column="face_key") if left else None
        )
        result = result_row(planned, end_of(planned, mine, unsent, ""), FACTS)
        assert result["outcome"] in set(Outcome)
        money += charge_of(mine)[1]
        tally.plan(planned)
        tally.end(planned, result)
    files = Counter(f"{place % 3}.csv" for place in range(len(story)))
    chunks = Counter(place % 4 for place, (disposition, *_) in enumerate(story) if disposition == "ask")
    tally.check(files, chunks)
    assert sum(tally.outcomes.values()) == len(story)
    assert money == sum(c.price_micros for d, calls, _ in story if d == "ask" for c in calls if c.charge != "none")


@pytest.mark.parametrize("wrong", ["lost", "doubled", "moved"])
def test_a_lost_a_doubled_or_a_moved_row_fails_the_run(wrong: str) -> None:
    tally = Tally()
    rows = [row(record_ref=f"R{n}", cost_centre="A") for n in range(3)]
    for planned in rows:
        tally.plan(planned)
    results = [result_row(planned, end_of(planned, [], None, "window"), FACTS) for planned in rows]
    results = {
        "lost": results[:2],
        "doubled": [*results, results[0]],
        "moved": [*results[:2], results[2] | {"cost_centre": "B"}],
    }[wrong]
    for planned, result in zip([*rows, rows[0]], results, strict=False):
        tally.end(planned, result)
    with pytest.raises(NotConservedError):
        tally.check({"a.csv": 3}, {0: 3})


def test_a_call_behind_no_row_fails_the_run() -> None:
    with pytest.raises(NotConservedError, match="3 calls in the ledger"):
        Tally(calls=2).check_calls(3)


@pytest.mark.parametrize(
    ("calls", "unsent", "wanted"),
    [
        ([call(), call(outcome="verified", charge="certain")], None, "verified"),
        ([call(outcome="unreadable", open=1, charge="certain")], None, "unreadable"),
        ([call(open=1, charge="possible")], None, "in_doubt"),
        (
            [call()],
            noted("failed", 1_795_000_000_000_001, reason="provider"),
            "failed",
        ),
        ([], noted("in_doubt", 1, open_call="c9"), "in_doubt"),
        ([], None, "not_attempted"),
    ],
)
def test_a_row_ends_as_its_calls_say(calls: list[Any], unsent: Any, wanted: str) -> None:
    end = end_of(row(), calls, unsent, "window")
    assert end.outcome == wanted
    assert end.reason == ("window" if wanted == "not_attempted" else unsent.reason if unsent else "")
    assert end.verdict == (wanted if wanted in PAID_ANSWERS and calls and calls[-1].outcome else "")


def test_exceptions_stay_the_same_item_from_night_to_night() -> None:
    result = result_row(row(), end_of(row(), [call(outcome="mismatch", charge="certain")], None, ""), FACTS)
    (first,) = exception_rows(result, Text("en"), FACTS.business_date)
    later = row(disposition="reused", relied_on_outcome="mismatch", relied_on_at="2026-11-20T00:00:00Z")
    later |= {"previous_outcome": "mismatch", "previous_at": "2026-11-20T00:00:00Z"}
    (again,) = exception_rows(result_row(later, end_of(later, [], None, ""), FACTS), Text("en"), FACTS.business_date)
    assert first is not None
    assert again is not None
    assert first["exception_no"] == again["exception_no"]
    assert (again["first_seen"], again["days_open"]) == ("2026-11-20", 4)
    verified = result_row(row(), end_of(row(), [call(outcome="verified", charge="certain")], None, ""), FACTS)
    assert exception_rows(verified, Text("en"), FACTS.business_date) == []


def test_what_planning_found_odd_is_an_exception_whatever_the_outcome() -> None:
    odd = row(
        id_expiry_status="expired", id_valid_to="2020-01-01", conflict_with="a.csv:2", source_file="b.csv", source_row=7
    )
    raised = exception_rows(result_row(odd, End("verified", "verified"), FACTS), Text("en"), FACTS.business_date)
    told = [(one["class"], one["reason"]) for one in raised]
    assert told == [("expired_document", "2020-01-01"), ("conflicting_data", "b.csv:7 <> a.csv:2")]
    assert all(one["suggested_action"] for one in raised)


def good(count: int) -> list[dict[str, Any]]:
    planned = [row(record_ref=f"R{n}", customer_no="=1+1", source_row=n) for n in range(count)]
    return [result_row(one, end_of(one, [], None, "window"), FACTS) for one in planned]


def test_tables_are_the_same_in_every_form_and_nothing_in_them_runs(tmp_path: Path) -> None:
    with TableFiles(tmp_path, contract("results"), Text("both"), xlsx_rows=100) as table:
        table.write(good(3))
        table.write(good(2))
    read = pa.parquet.read_table(tmp_path / "results.parquet")
    assert read.schema.metadata[b"schema_version"] == b"3"
    with (tmp_path / "results.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    sheet = CalamineWorkbook.from_path(str(tmp_path / "results.xlsx")).get_sheet_by_name("results").to_python()
    assert read.num_rows == len(lines) == len(sheet) - 1 == 5
    assert {line["customer_no"] for line in lines} == {"'=1+1"}
    assert {cells[5] for cells in sheet[1:]} == {"'=1+1"}
    assert sheet[0][0] == "批次号\nRun"


@pytest.mark.parametrize(
    ("change", "column"),
    [({"outcome": ""}, "outcome"), ({"amount": None}, "amount"), ({"record_ref": ""}, "record_ref")],
)
def test_a_table_that_breaks_its_contract_is_not_written(tmp_path: Path, change: dict[str, Any], column: str) -> None:
    with (
        TableFiles(tmp_path, contract("results"), Text("en"), xlsx_rows=0) as table,
        pytest.raises((ContractError, pa.ArrowInvalid, ValueError), match=column),
    ):
        table.write([good(1)[0] | change])


def test_a_contract_notices_a_column_too_many() -> None:
    table = pa.table({"x": ["1"]})
    with pytest.raises(ContractError, match="columns differ"):
        contract("cost").check(table)


Make = Callable[..., Nights]


def test_a_duplicate_carries_the_verdict_of_the_row_that_was_asked(nights: Make) -> None:
    night = nights()
    person = invented(1)[0]
    night.people([person, person, fixed("2001"), fixed("2001"), fixed("504"), fixed("504")])
    run, _ = night.night()
    table = night.results[run.run_id].to_pylist()
    assert [(one["outcome"], one["verdict"]) for one in table] == [
        ("verified", "verified"), ("duplicate", "verified"), ("mismatch", "mismatch"), ("duplicate", "mismatch"),
        ("in_doubt", ""), ("duplicate", "in_doubt"),
    ]  # fmt: skip
    assert table[1]["duplicate_of"] == table[0]["record_ref"]
    assert [one["amount"] for one in table] == ["0.50", "0.00", "0.50", "0.00", "0.50", "0.00"]
    assert {one["channel"] for one in table} == {"huawei_ivs"}
