"""The cost report adds up, says what is certain and what is possible, and shows nobody."""

from __future__ import annotations

import datetime as dt
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.contracts import contract
from tasks.report import cost_facts, cost_markdown, exceptions_markdown, html_page, money, results_markdown
from tasks.report.facts import CostFacts
from tasks.report.page import duration
from tasks.text import Text

HEAD = {
    "run_id": "r1", "profile": "test", "business_date": "2026-11-24", "revision": 1, "state": "completed", "currency": "CNY",
    "price_version": "v", "price_source": "s", "plan_hash": "ab" * 32, "cap": 10_000_000,
}  # fmt: skip


def group(**over: Any) -> Any:
    base = {
        "day": 20_781, "month": "2026-11", "org_code": "o", "cost_centre": "CC", "family": "two_factor",
        "operation": "id2_text", "state": "answered", "answer": "verdict", "charge": "certain", "outcome": "verified",
        "status": 200, "verification_code": "1000", "n": 1, "micros": 500_000,
    }  # fmt: skip
    return SimpleNamespace(**(base | over))


GROUPS = [
    group(n=10, micros=5_000_000),
    group(
        operation="id3_text_face", family="three_factor", n=2, micros=1_800_000, outcome="media_rejected_by_provider"
    ),
    group(state="in_doubt", charge="possible", outcome="", status=None, n=1, micros=500_000, cost_centre=""),
    group(state="refused", charge="none", outcome="", status=429, n=4, micros=0),
    group(state="withdrawn", charge="none", outcome="", status=None, n=9, micros=0),
]


def facts(groups: list[Any] = GROUPS, **over: Any) -> CostFacts:
    asked: dict[str, Any] = {
        "run": HEAD, "saved": {"reused": {"id2_text": 4}, "duplicate": {}, "rejected": {"id3_text_face": 1}},
        "price": lambda family, _calls: 500_000 if family == "two_factor" else 900_000, "outcomes": {"verified": 10, "in_doubt": 1},
        "exceptions": {"in_doubt": 1}, "duration_s": 65.0, "quota": {"two_factor": 10.0, "three_factor": 10.0},
    }  # fmt: skip
    return cost_facts(groups, **(asked | over))


def test_the_report_says_what_is_certain_what_is_possible_and_what_was_wasted() -> None:
    found = facts()
    assert [str(one) for one in found.bracket] == ["6.80", "7.30"]
    assert (found.total.sent, found.total.answered, found.total.refused, found.total.in_doubt) == (17, 12, 4, 1)
    assert (found.total.wasted, found.throttled) == (1_800_000, 4)
    assert [(one.reason, one.calls, one.micros) for one in found.savings] == [
        ("saved_reused", 4, 2_000_000), ("saved_duplicate", 0, 0), ("saved_screened", 1, 900_000),
    ]  # fmt: skip


@given(
    st.lists(
        st.builds(
            group,
            n=st.integers(1, 50),
            micros=st.integers(0, 10**9),
            cost_centre=st.sampled_from("AB"),
            state=st.sampled_from(["answered", "in_doubt", "refused"]),
            charge=st.sampled_from(["certain", "possible", "none"]),
            operation=st.sampled_from(["id2_text", "id3_text_face"]),
        )
    )
)
def test_every_breakdown_adds_up_to_the_total(groups: list[Any]) -> None:
    found = facts(groups)
    for lines in found.by.values():
        for name in ("sent", "answered", "refused", "in_doubt", "certain", "possible", "wasted"):
            assert sum(getattr(line, name) for line in lines.values()) == getattr(found.total, name)
    assert sum(one["calls_sent"] for one in found.rows) == found.total.sent


def test_the_cost_table_keeps_its_contract() -> None:
    import pyarrow as pa

    rows = facts().rows
    contract("cost").check(pa.Table.from_pylist(rows, schema=contract("cost").schema))
    assert {row["business_date"] for row in rows} == {"2026-11-24"}


@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_the_page_stands_alone_in_every_language(language: Any) -> None:
    page = html_page(facts(), Text(language), manifest="cd" * 32, made_at=dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
    assert not re.search(r"<script|https?://|src=|@import|url\(", page)
    assert "6.80" in page
    assert "2026-11-24 08:00" in page
    assert ("确定金额" in page) == (language != "en")
    assert ("Bill" in page or "bill" in page) == (language != "zh")
    assert "cd" * 32 in page


def test_a_night_without_calls_says_so() -> None:
    page = html_page(facts([]), Text("en"), manifest="m", made_at=dt.datetime.now(dt.UTC))
    assert "No call was made" in page


def test_what_a_profile_says_can_not_break_the_page() -> None:
    page = html_page(facts([group(cost_centre="<script>x")]), Text("en"), manifest="m", made_at=dt.datetime.now(dt.UTC))
    assert "<script>" not in page


def test_markdown_shows_totals_links_and_references_only() -> None:
    text = Text("both")
    assert "6.80" in cost_markdown(facts(), text)
    assert "s3://b/r" in results_markdown(facts(), text, {"results": "s3://b/r"})
    first = [{"record_ref": "RABC", "class": "in_doubt", "priority": "2", "customer_no": "C99"}]
    shown = exceptions_markdown(first, {"in_doubt": 3}, text)
    assert "RABC" in shown
    assert "C99" not in shown
    assert "2 more" in shown
    assert "No record needs a person" in exceptions_markdown([], {}, text)


def test_money_and_time_are_told_as_people_tell_them() -> None:
    assert [money(n) for n in (0, 1_234_567_890_000, 1_234_500)] == ["0.00", "1,234,567.89", "1.2345"]
    assert duration(65, Text("both")) == "1 min 5 s", "units are said once"
    assert [duration(s, Text("en")) for s in (5, 65, 28_800)] == ["5 s", "1 min 5 s", "8 h 0 min"]
