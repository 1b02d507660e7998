"""XLSX read as a stream: what a cell shows arrives as text, and no package makes the reader hold more than a row."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from tasks.ingest import InputError
from tasks.ingest.columns import is_heading
from tasks.ingest.xlsx import read_xlsx
from tasks.records import Record, RejectedRow

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEADING = '<row r="1"><c r="A1" t="str"><v>客户号</v></c><c r="B1" t="str"><v>姓名</v></c><c r="C1" t="str"><v>机构号</v></c></row>'


def package(rows: str, *, strings: str = "", styles: str = "", settings: str = "", **parts: str) -> bytes:
    """Write an XLSX package by hand: as small as one can be, and as odd as the test wants."""
    related = {"s1": ("worksheet", "worksheets/sheet1.xml")}
    written = {"xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'}
    for kind, content in (("sharedStrings", strings), ("styles", styles)):
        if content:
            related[kind] = (kind, f"/xl/{kind}.xml")
            written[f"xl/{kind}.xml"] = content
    sheet = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{KINDS}">{settings}<sheets><sheet name="S" r:id="s1"/></sheets></workbook>'
    )
    links = "".join(f'<Relationship Id="{i}" Type="{KINDS}/{k}" Target="{t}"/>' for i, (k, t) in related.items())
    top = (
        f'<Relationships><Relationship Id="w" Type="{KINDS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    )
    written |= {
        "_rels/.rels": top,
        "xl/workbook.xml": sheet,
        "xl/_rels/workbook.xml.rels": f"<Relationships>{links}</Relationships>",
        **parts,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in written.items():
            packed.writestr(name, content)
    return out.getvalue()


def cells(data: bytes) -> list[tuple[int, Any]]:
    return list(read_xlsx("a.xlsx", io.BytesIO(data), lambda row: is_heading(row, {})).rows)


def one(cell: str, **parts: str) -> str:
    """Return what one hand-written cell, in the column of the name, is read as."""
    row = f'<row r="2"><c r="A2" t="str"><v>1</v></c>{cell}</row>'
    ((_number, found),) = cells(package(HEADING + row, **parts))
    return str(found[1])


def dated(code: str) -> str:
    formats = f'<numFmts><numFmt numFmtId="200" formatCode="{code}"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    xfs = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="200"/></cellXfs>'
    return f'<styleSheet xmlns="{MAIN}">{formats}{xfs}</styleSheet>'


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="B2" t="str"><v>测试</v></c>', "测试"),
        ('<c t="inlineStr"><is><r><t>测</t></r><r><t xml:space="preserve"> 试</t></r></is></c>', "测 试"),
        ('<c r="B2" t="inlineStr"><is><t>测</t><rPh sb="0" eb="1"><t>ce</t></rPh></is></c>', "测"),
        ('<c r="B2" t="str"><f>A1&amp;"x"</f><v>shown</v></c>', "shown"),
        ('<c r="B2"><v>12</v></c>', "12"),
        ('<c r="B2"><v>4.4052418800101E+17</v></c>', "4.4052418800101e+17"),
        ('<c r="B2" t="b"><v>1</v></c>', "True"),
        ('<c r="B2" t="d"><v>2030-01-02T00:00:00</v></c>', "2030-01-02"),
        ('<c r="B2" t="e"><v>#N/A</v></c>', "\ufffd"),
        ('<c r="B2"><v>twelve</v></c>', "\ufffd"),
        ('<c r="B2" t="never heard of"><v>1</v></c>', "\ufffd"),
        ('<c r="B2" t="str"><v>_x005F_x0041_ _x0041__x0000_</v></c>', "_x0041_ A\0"),
        ('<c r="B2" s="7"/>', ""),
        ('<x:c xmlns:x="urn:x" r="B2" t="str"><x:v>测试</x:v></x:c>', "测试"),
    ],
)
def test_a_cell_is_read_as_what_it_shows(cell: str, text: str) -> None:
    assert one(cell) == text


@pytest.mark.parametrize(
    ("code", "number", "text"),
    [
        ("yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;", "47485", "2030-01-02"),
        ("[$-804]yyyy-mm-dd;@", "1", "1900-01-01"),
        ("yyyy-mm-dd", "59", "1900-02-28"),
        ("yyyy-mm-dd", "61", "1900-03-01"),
        ("yyyy-mm-dd hh:mm", "47485.5", "2030-01-02 12:00:00"),
        ("hh:mm:ss", "0.25", "06:00:00"),
        ("yyyy", "1e99", "\ufffd"),
        ("[Red]0.00;&quot;day&quot;0", "47485", "47485"),
        ("General", "47485", "47485"),
    ],
)
def test_a_number_shown_as_a_date_is_read_as_one(code: str, number: str, text: str) -> None:
    assert one(f'<c r="B2" s="2"><v>{number}</v></c>', styles=dated(code)) == text


def test_a_workbook_may_count_its_days_from_1904() -> None:
    cell = '<c r="B2" s="1"><v>46023</v></c>'
    assert one(cell, styles=dated("0"), settings='<workbookPr date1904="1"/>') == "2030-01-02"


def test_shared_strings_are_found_by_their_place() -> None:
    strings = (
        f'<sst xmlns="{MAIN}"><si><t>x</t></si><si><r><t>测</t></r><r><t>试</t></r><rPh><t>ce</t></rPh></si><si/></sst>'
    )
    assert one('<c r="B2" t="s"><v>1</v></c>', strings=strings) == "测试"
    assert one('<c r="B2" t="s"><v>2</v></c>', strings=strings) == ""
    for nowhere in ("3", "-1", "x"):
        with pytest.raises(InputError, match="XLSX file"):
            one(f'<c r="B2" t="s"><v>{nowhere}</v></c>', strings=strings)


def test_rows_and_cells_without_a_name_count_on() -> None:
    row = '<row><c t="str"><v>1</v></c><c/><c t="str"><v>x</v></c></row>'
    assert cells(package(HEADING + row + '<row r="9">' + row[5:])) == [(2, ["1", "", "x"]), (9, ["1", "", "x"])]


def test_what_stands_beside_the_table_belongs_to_no_column() -> None:
    row = '<row r="2"><c r="A2" t="str"><v>1</v></c><c r="F2" t="str"><v>a note</v></c></row>'
    assert cells(package(HEADING + row)) == [(2, ["1", "", ""])]


def test_two_cells_in_far_corners_are_two_rows_and_no_square_between() -> None:
    far = '<row r="1048576"><c r="XFD1048576" t="str"><v>1</v></c></row>'
    ((number, row),) = cells(package(HEADING + far))
    assert number == 1_048_576
    assert "columns" in row.problem


def test_a_huge_cell_is_its_rows_problem(read: Any) -> None:
    def row(at: int, name: str) -> str:
        return f'<row r="{at}"><c r="A{at}" t="str"><v>{at}</v></c><c r="B{at}" {name}</row>'

    huge = "x" * 10_000_000
    strings = f'<sst xmlns="{MAIN}"><si><t>{huge}</t></si></sst>'
    rows = row(2, f't="str"><v>{huge}</v></c>') + row(3, 't="s"><v>0</v></c>') + row(4, 't="str"><v>测试</v></c>')
    first, second, last = read({"a.xlsx": package(HEADING + rows, strings=strings)})
    assert isinstance(first, RejectedRow)
    assert first.detail == second.detail == "a cell longer than 131072 characters"
    assert (isinstance(last, Record), last.source_row) == (True, 4)


def test_an_error_in_a_cell_is_not_taken_for_a_name(read: Any) -> None:
    row = '<row r="2"><c r="A2" t="str"><v>1</v></c><c r="B2" t="e"><v>#N/A</v></c></row>'
    (found,) = read({"a.xlsx": package(HEADING + row)})
    assert found.name is None
    assert found.problems == (("name", "control characters or broken encoding"),)


@pytest.mark.parametrize(
    "hostile",
    [
        '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        f'<!DOCTYPE w [<!ENTITY b "1">]><w>{HEADING}<row r="2"><c r="A2" t="str"><v>&b;</v></c></row></w>',
        "<a><b></a>",
        "<a",
        "\x00",
        f'<worksheet><sheetData>{HEADING}<row r="x"/></sheetData></worksheet>',
        f'<worksheet><sheetData>{HEADING}<row r="2"><c r="客2"><v>1</v></c></row></sheetData></worksheet>',
        f'<worksheet><sheetData>{HEADING}<row r="2" long="{"x" * 20_000_000}"/></sheetData></worksheet>',
    ],
)
def test_hostile_markup_is_an_input_error(hostile: str) -> None:
    for part in ("xl/worksheets/sheet1.xml", "xl/workbook.xml"):
        with pytest.raises(InputError, match=r"^a\.xlsx") as told:
            cells(package(HEADING, **{part: hostile}))
        assert len(str(told.value)) < 200


@pytest.mark.parametrize("part", ["_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"])
def test_a_package_that_points_nowhere_is_an_input_error(part: str) -> None:
    for content in (
        "<a/>",
        '<Relationships><Relationship Id="s1" Type="x/worksheet" Target="../../../etc/passwd"/></Relationships>',
    ):
        with pytest.raises(InputError):
            cells(package(HEADING, **{part: content}))


@pytest.mark.parametrize("bound", ["tasks.ingest.sheet.MOST_SHEET", "tasks.ingest.workbook.MOST_STRINGS"])
def test_a_workbook_that_unpacks_without_end_is_refused(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound, 3_000_000)
    row = '<row r="2"><c r="A2" t="str"><v>1</v></c></row>'
    strings = f'<sst xmlns="{MAIN}">' + "<si><t>x</t></si>" * 1_000_000 + "</sst>"
    with pytest.raises(InputError, match="unpacks to more than"):
        cells(package(HEADING + row * 100_000, strings=strings))


TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8
) | st.sampled_from(["_x0041_", "_x005F_", " blank ", "two\nlines", "<&>\"'", "440524188001010014", "𠂇\ue816"])
VALUES = TEXTS | st.floats(-1e12, 1e12) | st.booleans() | st.dates(dt.date(1901, 1, 1), dt.date(2999, 1, 1)) | st.none()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(st.lists(VALUES, min_size=2, max_size=2), max_size=6), streamed=st.booleans())
def test_another_reader_finds_the_same_text(rows: list[list[Any]], streamed: bool) -> None:
    """calamine reads the same sheets; what it tells as numbers and dates must be what we tell as text."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "constant_memory": streamed,
        "default_date_format": "yyyy-mm-dd",
        "strings_to_formulas": False,
        "strings_to_urls": False,
    }
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([["客户号", "姓名", "机构号"], *(["k", *row] for row in rows)]):
            sheet.write_row(at, 0, row)
    theirs = CalamineWorkbook.from_filelike(io.BytesIO(out.getvalue())).get_sheet_by_index(0).to_python()
    ours = cells(out.getvalue())
    assert [number for number, _ in ours] == [*range(2, len(rows) + 2)]
    for (_, mine), other in zip(ours, theirs[1:], strict=True):
        for text, value in zip(mine[1:], other[1:], strict=True):
            assert text == told(value) or float(text) == value


def told(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)
