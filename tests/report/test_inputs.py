"""How each input was read stands in the night's own report, and on the plan card without its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.closing import close_now
from tasks.ledger.runs import plan_of
from tasks.records.inputs import NAMED, Inputs, Reading
from tasks.report import plan_markdown
from tasks.text import Text
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]
HEADING = "customer_no,name,id_number\n"


def line(person: tuple[str, str]) -> str:
    return f"{HEADING}{person[1][-6:]},{person[0]},{person[1]}\n"


def report_of(night: Nights) -> tuple[Any, str]:
    """Run a night, and return its run and the page of its report."""
    run = night.plan()
    night.verify(run)
    ended = close_now(night.runtime, run.run_id, night.folder / "home").summary
    return run, Path(ended["report"]).read_text(encoding="utf-8")


def cells(page: str) -> list[list[str]]:
    """Return the text of a page's table rows."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in rows]


def test_the_report_says_of_each_input_how_it_was_read(nights: Make) -> None:
    night = nights()
    records, people = night.folder / "records", invented(7)
    for name, encoding in (("a.csv", "utf-8"), ("b.csv", "utf-8-sig"), ("c.csv", "utf-16"), ("d.csv", "gb18030")):
        (records / name).write_bytes(line(people.pop()).encode(encoding))
    (records / "e.tsv").write_text(line(people.pop()).replace(",", "\t"), encoding="utf-8")
    name, number = people.pop()
    (records / "f.jsonl").write_text(
        f'{{"customer_no": "F", "name": "{name}", "id_number": "{number}"}}\n', encoding="utf-8"
    )
    name, number = people.pop()
    pq.write_table(
        pa.table({"customer_no": ["G"], "name": [name], "id_number": [number]}), records / "440524188001010014.parquet"
    )
    (records / "h.csv").write_bytes(b"")
    run, page = report_of(night)
    told = [row for row in cells(page) if len(row) == 5 and row[1:2] != ["0"]]
    assert [row for row in told if "." in row[0]] == [
        ["4405**************.parquet", "Parquet", "", "", "1"],
        ["a.csv", "delimited text", "UTF-8 (told from its bytes)", ",", "1"],
        ["b.csv", "delimited text", "UTF-8 (from its byte-order mark)", ",", "1"],
        ["c.csv", "delimited text", "UTF-16 (from its byte-order mark)", ",", "1"],
        ["d.csv", "delimited text", "GB18030 (told from its bytes)", ",", "1"],
        ["e.tsv", "delimited text", "UTF-8 (told from its bytes)", "tab", "1"],
        ["f.jsonl", "JSON lines", "UTF-8 (of the form)", "", "1"],
        ["h.csv", "could not be read", "", "", "1"],
    ]
    assert "Big5" in page
    card = plan_markdown(run, plan_of(run), Text("en"))
    assert "- delimited text · UTF-8 (told from its bytes) · Delimiter `,`: 1" in card
    assert "Big5" in card
    assert not re.search(r"\.(csv|tsv|jsonl|parquet)", card)


def test_an_encoding_of_the_profile_is_told_as_such_and_makes_no_doubt(nights: Make) -> None:
    night = nights(source={"encoding": "big5", "delimiter": "|"})
    (night.folder / "records" / "a.txt").write_bytes(
        line(("王明", "440510187001010010")).replace(",", "|").encode("big5")
    )
    run = night.plan()
    (told,) = plan_of(run)["inputs"]["files"]
    assert (told["encoding"], told["known_by"], told["delimiter"], told["rows"]) == ("big5", "profile", "|", 1)
    assert "Big5 can" not in plan_markdown(run, plan_of(run), Text("en"))


def test_many_inputs_are_counted_by_how_they_were_read(nights: Make) -> None:
    night = nights()
    people = invented(NAMED + 1)
    for place, person in enumerate(people):
        encoding = "gb18030" if place % 3 else "utf-8"
        (night.folder / "records" / f"{place:02d}.csv").write_bytes(line(person).encode(encoding))
    run, page = report_of(night)
    assert plan_of(run)["inputs"]["files"] == []
    assert ["delimited text", "GB18030 (told from its bytes)", ",", "14"] in cells(page)
    assert ["delimited text", "UTF-8 (told from its bytes)", ",", "7"] in cells(page)
    assert "00.csv" not in page


def test_a_million_inputs_take_a_few_lines() -> None:
    told = Inputs()
    for place in range(1_000_000):
        told.read(f"{place}.csv", Reading("delimited", "utf-8", "bytes", ","))
    assert len(str(told.summary({}))) < 500


@pytest.mark.parametrize("plan", [{}, {"inputs": {"files": [], "kinds": []}}])
def test_a_plan_of_an_older_version_has_a_card_all_the_same(plan: dict[str, Any]) -> None:
    known = {"records": 0, "dispositions": {}, "operations": {}, "seconds": 0, "currency": "CNY", "price_version": "v"}
    known |= {"price_source": "s", "estimate": {"likely": 0, "worst": 0}}
    run = type("Run", (), {"run_id": "r", "plan_hash": "h"})
    assert "Inputs" not in plan_markdown(run, known | plan, Text("en"))
