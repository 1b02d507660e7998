"""The desk of doubts and the trend: what waits and how to decide it, how the last nights went; narrow enough to read."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

from tasks.report import doubts_markdown, trend_markdown
from tasks.report.desk import MOST_DOUBTS
from tasks.text import Text


def doubt(number: int) -> Any:
    asked = {"operation": "id2_text", "answer": "missing", "record_ref": f"R{number:05d}", "price_micros": 500_000}
    return SimpleNamespace(call_id=f"{number:032x}", sent_us=1_795_632_921_000_000, **asked)


def night(day: int, closing: dict[str, Any] | None) -> Any:
    told = json.dumps(closing) if closing else ""
    return SimpleNamespace(business_date=dt.date(2026, 11, day), sequence=1, state="running", closing=told)


def test_each_doubt_stands_with_its_money_and_how_to_decide_it() -> None:
    page = doubts_markdown([doubt(1), doubt(2)], "nightly", Text("en"))
    assert "2 calls wait for a person's decision, 1.00 CNY" in page
    assert f"in-doubt resend nightly {1:032x}" in page
    assert "R00002" in page


def test_a_desk_of_thousands_can_be_read() -> None:
    page = doubts_markdown([doubt(n) for n in range(3_000)], "nightly", Text("both"))
    assert page.count("R0") == MOST_DOUBTS
    assert "2,950 more" in page


def test_nothing_in_doubt_says_so() -> None:
    assert "No call waits" in doubts_markdown([], "nightly", Text("en"))


def test_the_trend_tells_each_night_and_a_dash_where_one_was_never_closed() -> None:
    closed = {
        "records": {"total": 1_200, "outcomes": {"verified": 1_000, "in_doubt": 3, "failed": 2, "not_attempted": 195}},
        "run_money": {"certain": "500.00", "possible": "1.50"},
    }
    page = trend_markdown([night(25, None), night(24, closed)], "nightly", Text("en")).splitlines()
    assert page[4].startswith("| 2026-11-25 · 1 | — |")
    assert page[5] == "| 2026-11-24 · 1 | 1,200 | 1,000 | 5 | 3 | 195 | 500.00 | 1.50 | running |"
