"""Exports as they come from core banking and from people's spreadsheets: read, or refused with a reason a person can use."""

from __future__ import annotations

import datetime as dt
import io
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import xlsxwriter
from pydantic import ValidationError

from flows.closing import close_now
from tasks.ingest import InputError, inspect_source
from tasks.ledger.runs import plan_of
from tasks.plan.choose import choose
from tasks.privacy import file_names
from tasks.records import Record, RejectedRow
from tasks.records.inputs import Inputs
from tasks.records.layout import Layout
from tasks.settings import Policy, Source
from tasks.text import catalogue
from tests.nights import Nights
from tests.people import invented

GOOD = "440524188001010014"
HEADING = "客户号,姓名,证件号码"
Make = Callable[..., Nights]


def good(rows: list[Any]) -> list[tuple[str, str, str]]:
    """Return key, name and number of what can be asked."""
    told = [row for row in rows if isinstance(row, Record) and row.name and row.id_number]
    return [(row.customer_no.reveal(), row.name.reveal(), row.id_number.reveal()) for row in told]


def wrong(rows: list[Any]) -> list[tuple[int, str, str]]:
    """Return row, column and sentence of what can not."""
    found = []
    for row in rows:
        if isinstance(row, RejectedRow):
            found.append((row.record.source_row, row.column, row.detail))
        else:
            found += [(row.source_row, *problem) for problem in row.problems]
    return found


TITLED = f"""某某银行股份有限公司,,,\r
存量客户身份核验清单,,,\r
制表日期：2026-11-24,,,\r
,,,\r
序号,客户号,客户姓名,身份证号码\r
1,0001,欧阳测试,{GOOD}\t\r
2,0002,测试,{GOOD}\t\r
合计：2人,,,\r
\x1a"""


def test_a_heading_below_a_title_block_is_found_in_text_as_well(read: Any) -> None:
    rows = read({"清单（广州分行）.CSV": TITLED.encode("gb18030")})
    assert good(rows) == [("0001", "欧阳测试", GOOD), ("0002", "测试", GOOD)]
    assert wrong(rows) == [(8, "customer_no", "empty, or longer than 200 characters")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "\x01"])
def test_the_delimiter_is_that_of_the_heading_and_not_of_the_title(delimiter: str, read: Any) -> None:
    title = "截至2026-11-24,单位：人,机密;内部|资料\n"
    data = f"{HEADING}\n1,测试,{GOOD}\n".replace(",", delimiter)
    quoted = f'"客户号","姓名","证件号码"\n"2","测试","{GOOD}"\n'.replace(",", delimiter)
    rows = read({"a.csv": title + data, "b.csv": title + quoted})
    assert good(rows) == [("1", "测试", GOOD), ("2", "测试", GOOD)]


def test_the_line_by_which_a_spreadsheet_is_told_the_delimiter_is_no_heading(read: Any) -> None:
    data = f"sep=;\r\n客户号;姓名;证件号码\r\nA1;测试;{GOOD}\r\n"
    assert good(read({"a.csv": data.encode("utf-8-sig")})) == [("A1", "测试", GOOD)]


def test_a_title_without_a_heading_below_it_is_refused_as_before(read: Any) -> None:
    with pytest.raises(InputError, match="no such column"):
        read({"a.csv": "某某银行\n1,测试\n" * 40})


def test_what_was_kept_text_for_a_spreadsheet_is_that_text(read: Any) -> None:
    rows = read({"a.csv": f'{HEADING}\n="0007",测试,="{GOOD}"\n"=""0008""",测试,"=""{GOOD}"""\n0009,测试,\'{GOOD}\n'})
    assert good(rows) == [(key, "测试", GOOD) for key in ("0007", "0008", "0009")]


@pytest.mark.parametrize(
    ("key", "name", "number", "problem"),
    [
        ("1", "测试", "4.40524E+17", ("id_number", "stored as a number, which loses digits: store it as text")),
        ("1.23457E+11", "测试", GOOD, ("customer_no", "stored as a number, which loses digits: store it as text")),
        ("1", "测试", "440524********0014", ("id_number", "characters other than digits and a final X")),
    ],
)
def test_what_was_damaged_on_the_way_is_not_sent(key: str, name: str, number: str, problem: Any, read: Any) -> None:
    rows = read({"a.csv": f"{HEADING}\n{key},{name},{number}\n0,测试,{GOOD}\n"})
    assert wrong(rows) == [(2, *problem)]
    assert good(rows) == [("0", "测试", GOOD)]


@pytest.mark.parametrize("name", ["测*", "测?试", "测□", "锟斤拷试", "&#27979;试", "\\u6d4b试", "测试2", "测试２"])
def test_a_name_that_is_not_whole_is_for_people_to_look_at(name: str, read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING}\n1,{name},{GOOD}\n"})
    assert row.warnings == ("damaged_name",)
    found = choose(row, Policy(), dt.date(2026, 11, 24))
    assert found.kept_back is not None
    assert found.kept_back[:3] == ("withheld", "damaged_name", "name")
    assert catalogue("zh")[f"problem.{found.kept_back[3]}"]
    assert choose(row, Policy(withhold_rare_names=False), dt.date(2026, 11, 24)).kept_back is None


@pytest.mark.parametrize("null", ["\\N", "NULL", "null", "(null)", "None", "NaN", "#N/A"])
def test_what_a_database_writes_for_nothing_is_nothing(null: str, read: Any) -> None:
    heading = "客户号\x01姓名\x01证件类型\x01证件号码\x01合法性基础\x01人像照片\n"
    first, second = read(
        {"000000_0": f"{heading}1\x01{chr(1).join([null] * 5)}\n{null}\x01测试\x01\x01{GOOD}\x01\x01\n"}
    )
    assert isinstance(first, Record)
    assert (first.name, first.id_number, first.id_type, first.legal_basis, first.face_key) == (None, None, "", "", None)
    assert (second.column, second.detail) == ("customer_no", "empty, or longer than 200 characters")


@pytest.mark.parametrize("word", ["无", "暂无", "-", "/", "—"])
def test_a_word_for_none_is_no_legal_ground(word: str, read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING},处理目的,合法性基础,授权编号\n1,测试,{GOOD},{word},{word},{word}\n"})
    assert (row.purpose, row.legal_basis, row.consent_ref) == ("", "", "")


def test_quotes_around_cells_are_no_part_of_them_whatever_parts_the_cells(read: Any) -> None:
    rows = read({"a.txt": f'"客户号"|!|"姓名"|!|"证件号码"\n"1"|!|"测""试"|!|"{GOOD}"\n'}, delimiter="|!|")
    assert good(rows) == [("1", '测"试', GOOD)]


def test_a_character_told_by_its_parts_is_rare(read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING}\n1,测⿰王民,{GOOD}\n"})
    assert row.warnings == ("rare_name",)


def test_cells_filled_up_with_zeros_are_no_sixteen_bit_text(read: Any) -> None:
    data = f"{HEADING}\n1,测试\0\0\0\0,{GOOD}\n2,测试,{GOOD}\n{chr(0) * 40}\n".encode("gb18030")
    rows = read({"a.csv": data})
    assert wrong(rows) == [(2, "name", "control characters or broken encoding")]
    assert good(rows) == [("2", "测试", GOOD)]


def test_a_template_of_a_spreadsheet_with_notes_and_totals_is_read(read: Any) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        notes, sheet = book.add_worksheet("填写说明"), book.add_worksheet("数据")
        notes.write(0, 0, "客户号：必填")
        sheet.merge_range(0, 0, 0, 4, "××银行 身份核验清单")
        sheet.write_row(2, 0, ["序号", "*客户号\n（必填）", "姓名", "证件类型", "证件号码", "证件有效期"])
        sheet.write_row(3, 0, [1, "F1", "测试", "01-居民身份证", f"'{GOOD}", "2020.01.01-长期"])
        sheet.write_row(4, 0, [2, "F2", "测试", "居民身份证", float(GOOD), "2010.01.01-2020.01.01"])
        sheet.write_row(6, 0, ["合计", 2])
        sheet.write(8, 0, "制表：甲 复核：乙")
    rows = read({"模板.xlsx": out.getvalue()})
    assert good(rows) == [("F1", "测试", GOOD)]
    assert wrong(rows) == [
        (5, "id_number", "stored as a number, which loses digits: store it as text"),
        (9, "customer_no", "empty, or longer than 200 characters"),
    ]


def test_an_old_spreadsheet_is_named_whatever_it_is_called(read: Any) -> None:
    with pytest.raises(InputError, match="an old XLS"):
        read({"a.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)})


@pytest.mark.parametrize("first", ["", "客户号|姓名|证件号码|\n"])
def test_a_core_dump_without_heading_and_with_a_last_delimiter_is_read_by_its_layout(first: str, read: Any) -> None:
    """One of several such files may have a heading all the same: it is nobody's row."""
    data = first + f"G1|测试|{GOOD}|\nG2|测试|{GOOD}|\n"
    layout = Layout(headings=("customer_no", "name", "id_number"))
    rows = read({"core.dat": data.encode("gb18030")}, layout, delimiter="|")
    assert good(rows) == [("G1", "测试", GOOD), ("G2", "测试", GOOD)]
    assert len(rows) == 2


def test_objects_that_nobody_reads_are_counted_by_their_ending_and_never_named(store: Any) -> None:
    store.put("a.csv", f"{HEADING}\n1,测试,{GOOD}\n".encode())
    for name in ("old.xls", "older.XLS", f"{GOOD}", f"x.{GOOD}", "faces/1.jpg", "a.d/plain"):
        store.put(name, b"x")
    report = inspect_source(store, Source(records="test"))
    assert report.others == {"": 3, ".xls": 2, ".jpg": 1}
    assert GOOD not in repr(report)


def test_a_file_named_by_a_persons_number_has_it_hidden_wherever_it_is_told(nights: Make) -> None:
    """Ledger, tables, report and stops: an object's key is personal too."""
    night = nights()
    records, keys = night.folder / "records", [f"{GOOD}.csv", f"{GOOD[:-1]}X.csv", "a/440524188001010014.csv"]
    (records / "a").mkdir()
    for key, person in zip(keys, invented(3), strict=True):
        (records / key).write_text(f"{HEADING}\n1,{','.join(person)}\n", encoding="utf-8")
    run = night.plan()
    night.verify(run)
    closed = close_now(night.runtime, run.run_id, night.folder / "home")
    rows = pq.read_table(closed.summary["results"]).to_pylist()
    hidden = "*" * 14
    assert [row["source_file"] for row in rows] == [f"4405{hidden}.csv", f"4405{hidden}.csv~2", f"a/4405{hidden}.csv"]
    assert closed.found.outcomes == {"verified": 3}
    night.runtime.close()
    for path in night.folder.rglob("*"):
        if path.is_file() and records not in path.parents:
            assert GOOD[:-1].encode() not in path.read_bytes(), path.name


def test_a_file_whose_name_is_no_utf8_is_one_withheld_row(nights: Make) -> None:
    """As an archive from an old Windows leaves it in a folder."""
    night = nights()
    records = night.folder / "records"
    with open(os.fsencode(records) + b"/\xbf\xcd\xbb\xa7.csv", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"{HEADING}\n1,测试,{GOOD}\n")
    (records / "good.csv").write_text(f"{HEADING}\n1,{','.join(invented(1)[0])}\n", encoding="utf-8")
    run = night.plan()
    night.verify(run)
    closed = close_now(night.runtime, run.run_id, night.folder / "home")
    assert closed.found.outcomes == {"verified": 1, "withheld": 1}
    (raised,) = closed.found.first_exceptions
    assert raised["source_file"] == "\ufffd\u037b\ufffd.csv"


def test_file_names_keep_their_times_and_branches() -> None:
    keys = ["CORE_20261124220000.csv", "CORE_20261124220000123.csv", "机构3301000012.csv", "6222020200112233445.csv"]
    assert list(file_names(keys)) == [*keys[:3], "6222***************.csv"]


@pytest.mark.parametrize("data", [b"PK\x03\x04rest", b"\x1f\x8b\x08rest", b"PAR1rest", b"\xd0\xcf\x11\xe0rest"])
def test_another_form_under_a_texts_name_is_told(data: bytes, read: Any) -> None:
    with pytest.raises(InputError, match="by its first bytes"):
        read({"a.csv": data * 100})


@pytest.mark.parametrize("given", ["gbk", "GB2312", "cp936"])
def test_a_profile_that_says_gbk_means_all_of_it(given: str, read: Any) -> None:
    rows = read({"a.csv": f"{HEADING}\n1,测\U00020087\u4dae,{GOOD}\n".encode("gb18030")}, encoding=given)
    assert good(rows) == [("1", "测\U00020087\u4dae", GOOD)]


@pytest.mark.parametrize("delimiter", ['"', "\n", "|\r"])
def test_a_delimiter_that_can_part_nothing_is_refused_with_the_profile(delimiter: str) -> None:
    with pytest.raises(ValidationError, match="delimiter"):
        Source(records="test", delimiter=delimiter)


def test_endings_take_a_bounded_place() -> None:
    told = Inputs()
    for place in range(1_000):
        told.pass_by(f"a.x{place}")
    told.pass_by("folder/")
    assert sum(told.others.values()) == 1_000
    assert len(told.others) <= 51


def test_a_night_of_ugly_files_asks_whom_it_can_and_accounts_for_every_row(nights: Make) -> None:
    night = nights(language="both")
    people = invented(12)
    records = night.folder / "records"
    one, two, *rest = people
    titled = TITLED.replace(f"欧阳测试,{GOOD}", ",".join(one)).replace(f"测试,{GOOD}", ",".join(two))
    (records / "titled.csv").write_bytes(titled.encode("gb18030"))
    (records / "semicolon.csv").write_text(
        f"sep=;\n客户号;姓名;证件号码\nB1;{';'.join(rest[0])}\n", encoding="utf-8-sig"
    )
    (records / "unicode.txt").write_bytes(f"{HEADING}\nC1,{','.join(rest[1])}\n".replace(",", "\t").encode("utf-16"))
    (records / "kept.csv").write_text(f'{HEADING}\n="D1",{rest[2][0]},="{rest[2][1]}"\n', encoding="utf-8")
    (records / "lost.csv").write_text(
        f"{HEADING}\nE1,{rest[3][0]},4.40524E+17\nE2,王*,{rest[3][1]}\n", encoding="utf-8"
    )
    (records / "twice.csv").write_text(
        f"{HEADING}\nF1,{','.join(rest[4])}\n{HEADING}\nF2,{','.join(rest[5])}\n", encoding="utf-8"
    )
    (records / "array.jsonl").write_text('[{"客户号": "G1"}]\n', encoding="utf-8")
    (records / "old.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (records / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (records / "web.csv").write_text("<html><table><tr><td>客户号</td></tr></table></html>", encoding="utf-8")
    run = night.plan()
    night.verify(run)
    closed = close_now(night.runtime, run.run_id, night.folder / "home")
    found = closed.found
    assert found.outcomes == {"verified": 7, "rejected": 3, "withheld": 4}
    assert found.reasons == {"bad_data": 3, "damaged_name": 1, "unreadable_file": 3}
    assert plan_of(run)["inputs"]["others"] == {".xls": 1}
    told = pq.read_table(Path(closed.summary["results"]).with_name("exceptions.parquet")).to_pylist()
    assert Counter(row["source_file"] for row in told) == {
        "array.jsonl": 1, "lost.csv": 2, "old.xlsx": 1, "titled.csv": 1, "twice.csv": 1, "web.csv": 1,
    }  # fmt: skip
    assert all(row["detail"] and not row["detail"].isascii() for row in told), "in the reader's words"
    assert not any(word in str(told) for person in people for word in person)
    assert len(night.twin.journal()) == 7
