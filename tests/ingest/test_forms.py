"""Every form carries the same text, and the text arrives unchanged."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from tasks.ingest import InputError
from tasks.records import Record, RejectedRow
from tasks.records.layout import Layout
from tasks.records.numbers import check_character

GOOD = "440524188001010014"
COLUMNS = ["customer_no", "name", "id_number", "org_code", "purpose"]
ODD = ["", "a,b", 'say "hi"', "two\nlines", "制表\t符", "尾"]

People = list[list[str]]


LETTERS = [(0x4E00, 0x9FA5), (0x4E00, 0x9FA5), (0x20000, 0x2A6D6), (0x3400, 0x4DB5), (0xE000, 0xF8FF), (0xF900, 0xFA6D)]


def people(count: int) -> People:
    """Invented people: plain and rare characters, private and compatible ones, middle dots, old numbers of 15 digits."""
    rng = Random(7)
    found = []
    for n in range(count):
        born = f"{rng.randint(1800, 1899)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
        body = f"440524{born}{rng.randint(0, 999):03d}"
        number = body + check_character(body) if n % 10 else body[:6] + body[8:]
        name = [chr(rng.randint(*rng.choice(LETTERS))) for _ in range(3)]
        found.append([f"000{n}", ("·" if n % 7 == 0 else "").join(name), number, f"0{n % 90}", rng.choice(ODD[:2])])
    return found


def told(row: Any) -> list[str]:
    return [row.customer_no.reveal(), row.name.reveal(), row.id_number.reveal(), row.org_code, row.purpose]


def as_csv(rows: People, **how: Any) -> str:
    out = io.StringIO()
    csv.writer(out, **how).writerows([COLUMNS, *rows])
    return out.getvalue()


def as_jsonl(rows: People) -> bytes:
    return "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows).encode()


def as_parquet(rows: People) -> bytes:
    out = io.BytesIO()
    columns = list(zip(*rows, strict=True))
    pq.write_table(pa.table(dict(zip(COLUMNS, map(list, columns), strict=True))), out)
    return out.getvalue()


def as_xlsx(rows: list[list[Any]], title: int = 0, sheets: int = 1, headings: list[str] | None = None) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    for _ in range(sheets):
        sheet = book.add_worksheet()
        for at in range(title):
            sheet.write(at, 2, f"某银行核验清单 {at}")
        for at, row in enumerate([headings or COLUMNS, *rows]):
            sheet.write_row(title + at, 0, row)
    book.close()
    return out.getvalue()


def as_zst(data: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as packed:
        packed.write(data)
    return bytes(out.getvalue())


FORMS: dict[str, Callable[[People], bytes]] = {
    "a.csv": lambda rows: as_csv(rows).encode(),
    "bom.csv": lambda rows: as_csv(rows).encode("utf-8-sig"),
    "gb.csv": lambda rows: as_csv(rows).encode("gb18030"),
    "le.csv": lambda rows: b"\xff\xfe" + as_csv(rows).encode("utf-16-le"),
    "be.csv": lambda rows: b"\xfe\xff" + as_csv(rows).encode("utf-16-be"),
    "bare16.csv": lambda rows: as_csv(rows).encode("utf-16-le"),
    "semicolon.csv": lambda rows: as_csv(rows, delimiter=";").encode(),
    "pipe.txt": lambda rows: as_csv(rows, delimiter="|").encode(),
    "control.dat": lambda rows: as_csv(rows, delimiter="\x01").encode(),
    "cr.csv": lambda rows: as_csv(rows, lineterminator="\r").encode(),
    "a.tsv": lambda rows: as_csv(rows, delimiter="\t").encode(),
    "A.CSV.GZ": lambda rows: gzip.compress(as_csv(rows).encode()),
    "a.csv.zst": lambda rows: as_zst(as_csv(rows).encode()),
    "a.jsonl": as_jsonl,
    "a.jsonl.gz": lambda rows: gzip.compress(as_jsonl(rows)),
    "a.parquet": as_parquet,
    "a.xlsx": as_xlsx,
}


@pytest.mark.parametrize("form", FORMS)
def test_names_and_numbers_arrive_unchanged(form: str, read: Any) -> None:
    sent = people(1_500)
    rows = read({form: FORMS[form](sent)})
    assert [row.source_row for row in rows][:3] == ([1, 2, 3] if "jsonl" in form else [2, 3, 4])
    assert [told(row) for row in rows] == sent


def test_newlines_and_quotes_inside_quotes_are_part_of_the_cell(read: Any) -> None:
    rows = read({"a.csv": as_csv([["1", "测试", GOOD, "x", odd] for odd in ODD])})
    assert [row.purpose for row in rows] == ["", "a,b", 'say "hi"', "two lines", "制表 符", "尾"]


def test_a_chinese_name_after_a_megabyte_of_ascii_is_still_read_in_its_encoding(read: Any) -> None:
    plain = [["1", "", GOOD, "x" * 900, ""]] * 1_300
    rows = read({"a.csv": as_csv([*plain, ["2", "赵钱", GOOD, "x", ""]]).encode("gb18030")})
    assert rows[-1].name.reveal() == "赵钱"


def test_an_encoding_can_be_given_where_it_can_not_be_told(read: Any) -> None:
    data = as_csv([["1", "陳國", GOOD, "x", ""]]).encode("big5")
    assert read({"a.csv": data}, encoding="big5")[0].name.reveal() == "陳國"
    with pytest.raises(InputError, match=r"a\.csv: 'klingon' is no text encoding"):
        read({"a.csv": data}, encoding="klingon")


def test_a_delimiter_of_several_characters_can_be_given(read: Any) -> None:
    data = "\r\n".join("|!|".join(row) for row in [COLUMNS, ["1", '测"试', GOOD, "a|b", ""]])
    (row,) = read({"a.txt": data}, delimiter="|!|")
    assert (row.name.reveal(), row.org_code) == ('测"试', "a|b")


def test_a_file_without_a_heading_is_read_by_its_layout(read: Any) -> None:
    rows = read({"a.csv": f"1,测试,{GOOD}\n2,测试,{GOOD}\n"}, Layout(headings=("customer_no", "name", "id_number")))
    assert [(row.customer_no.reveal(), row.source_row) for row in rows] == [("1", 1), ("2", 2)]


def test_parquet_values_become_text_without_loss(read: Any) -> None:
    out = io.BytesIO()
    table = pa.table(
        {
            "customer_no": pa.array([9007199254740993], pa.int64()),
            "id_number": pa.array([int(GOOD)], pa.int64()),
            "name": pa.array(["测试"]).dictionary_encode(),
            "id_valid_to": pa.array([dt.datetime(2030, 1, 2)], pa.timestamp("us")),
            "due_date": pa.array([dt.date(2026, 1, 2)]),
            "org_code": pa.array([Decimal("12.50")]),
            "risk_level": pa.array([None], pa.string()),
            "balance": pa.array([1.5]),
        }
    )
    pq.write_table(table, out)
    (row,) = read({"a.parquet": out.getvalue()})
    told = (row.customer_no.reveal(), row.id_number.reveal(), row.id_valid_to, row.due_date, row.org_code)
    assert told == ("9007199254740993", GOOD, "2030-01-02", "2026-01-02", "12.50")


def test_a_number_that_was_stored_as_a_number_is_refused_with_its_row(read: Any) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"customer_no": ["1"], "id_number": [float(GOOD)]}), out)
    files = {
        "a.parquet": out.getvalue(),
        "a.xlsx": as_xlsx([["1", "测试", float(GOOD), "x", ""]]),
        "a.jsonl": b'{"customer_no": "1", "id_number": 4.40524188001010014e17}\n',
    }
    for row in read(files):
        assert isinstance(row, Record)
        assert row.id_number is None
        assert [column for column, _ in row.problems] == ["id_number"]
        assert "digits" in row.problems[0][1]


def test_a_customer_key_of_a_spreadsheet_may_be_a_short_number_and_no_long_one(read: Any) -> None:
    short, long = read({"a.xlsx": as_xlsx([[1234.0, "测试", GOOD, 12, ""], [1.23456789e18, "测试", GOOD, 12, ""]])})
    assert (short.customer_no.reveal(), short.org_code) == ("1234", "12")
    assert isinstance(long, RejectedRow)
    assert long.column == "customer_no"


def test_a_json_integer_keeps_all_its_digits(read: Any) -> None:
    (row,) = read({"a.jsonl": f'{{"customer_no": 12345678901234567, "id_number": {GOOD}, "tags": [1]}}'})
    assert (row.customer_no.reveal(), row.id_number.reveal()) == ("12345678901234567", GOOD)


def test_the_heading_of_a_sheet_is_found_below_a_title_block(read: Any) -> None:
    (row,) = read({"a.xlsx": as_xlsx([["1", "测试", GOOD, "x", dt.date(2030, 1, 2)]], title=4)})
    assert row.source_row == 6
    assert row.purpose == "2030-01-02"


def test_several_sheets_of_records_need_a_word_which(read: Any) -> None:
    data = as_xlsx([["1", "测试", GOOD, "x", ""]], sheets=2)
    with pytest.raises(InputError, match="several sheets"):
        read({"a.xlsx": data})
    assert len(read({"a.xlsx": data}, Layout(sheet="Sheet2"))) == 1
    with pytest.raises(InputError, match="no sheet 'Sheet9'"):
        read({"a.xlsx": data}, Layout(sheet="Sheet9"))


def test_only_the_business_dates_partition_is_read(read: Any, store: Any, tmp_path: Path) -> None:
    from tasks.ingest import pin_source
    from tasks.settings import Source

    read({"dt=20261123/a.csv": "客户号\n1\n", "dt=20261124/a.csv": "客户号\n2\n"})
    layout = Layout(partition="dt=%Y%m%d")
    source = Source(records="test", include=("*.csv",))
    assert [item.key for item in pin_source(store, source, layout, dt.date(2026, 11, 24))] == ["dt=20261124/a.csv"]
    with pytest.raises(InputError, match="dt=20261125"):
        pin_source(store, source, layout, dt.date(2026, 11, 25))


def test_rows_come_in_batches_of_bounded_size(read: Any, store: Any) -> None:
    from tasks.ingest import read_source
    from tasks.settings import Source

    store.put("a.csv", ("客户号\n" + "1\n" * 5_001).encode())
    sizes = [len(batch) for batch in read_source(store, Source(records="test"))]
    assert sizes == [5_000, 1]
