"""What strangers put into files: each gets a reason with file, row and column, never the value; the rest is read."""

from __future__ import annotations

import gzip
import io
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.ingest import InputError, Problem, inspect_source, pin, read_inputs
from tasks.ingest.unpack import unpacked
from tasks.records import Outcome, Reason, Record, RejectedRow
from tasks.records.layout import Layout
from tasks.settings import Source
from tasks.storage import Forbidden
from tasks.storage.folder import FolderStore
from tests.ingest.conftest import Distant

GOOD = "440524188001010014"
HEADING = "客户号,姓名,证件类型,证件号码,机构号,人像照片\n"


def line(key: str, name: str = "测试", number: str = GOOD, org: str = "x", face: str = "") -> str:
    return f"{key},{name},,{number},{org},{face}\n"


def by_key(rows: list[Record | RejectedRow]) -> dict[str, Record]:
    return {row.customer_no.reveal(): row for row in rows if isinstance(row, Record)}


@pytest.mark.parametrize("cell", ["x" * 10_000_000, "x" * 131_073, '"' + "x" * 200_000 + '"'])
def test_a_huge_cell_is_one_rejected_row(cell: str, read: Any) -> None:
    rows = read({"a.csv": HEADING + line("1") + line("2", org=cell) + line("3")})
    assert set(by_key(rows)) == {"1", "3"}
    (bad,) = [row for row in rows if isinstance(row, RejectedRow)]
    assert (bad.reason, bad.record.source_row) == (Reason.BAD_DATA, 3)
    assert "longer than" in bad.detail


def test_a_huge_value_in_the_other_forms_is_one_rejected_row_too(read: Any) -> None:
    long = "x" * 10_000_000
    out = io.BytesIO()
    pq.write_table(pa.table({"customer_no": ["1", "2"], "name": [long, "测试"], "org_code": ["x", long]}), out)
    jsonl = f'{{"customer_no": "3", "org_code": "{long}"}}\n{{"customer_no": "4"}}\n'
    rows = read({"a.parquet": out.getvalue(), "b.jsonl": jsonl})
    assert set(by_key(rows)) == {"4"}
    assert [row.column for row in rows if isinstance(row, RejectedRow)] == ["name", "org_code", ""]


@pytest.mark.parametrize(
    "broken",
    [
        line("2", name='"测试'),
        line("2", name='"测"试"'),
        '2,"' + "测试\n" * 3,
    ],
)
def test_a_quote_that_is_never_closed_takes_no_other_row_with_it(broken: str, read: Any) -> None:
    many = "".join(line(str(n)) for n in range(10, 500))
    rows = read({"a.csv": HEADING + line("1") + broken + many})
    assert set(by_key(rows)) >= {"1", *map(str, range(10, 500))}
    assert any(isinstance(row, RejectedRow) and "quote" in row.detail for row in rows)


def test_an_unclosed_quote_in_the_last_row_is_that_rows_problem(read: Any) -> None:
    rows = read({"a.csv": HEADING + line("1") + '2,"测试'})
    assert [isinstance(row, Record) for row in rows] == [True, False]


def test_a_broken_byte_spoils_its_row_and_not_the_encoding(read: Any) -> None:
    good = "".join(line(str(n)) for n in range(200)).encode()
    bad = line("bad").encode().replace("测".encode(), b"\xb2\xe2")
    rows = read({"a.csv": HEADING.encode() + bad + good})
    assert rows[0].problems == (("name", "control characters or broken encoding"),)
    assert rows[0].name is None
    assert [row.name.reveal() for row in rows[1:]] == ["测试"] * 200


@pytest.mark.parametrize("field", ["key", "org", "face"])
def test_control_characters_are_refused_with_their_column(field: str, read: Any) -> None:
    told = {"key": "2"} | {field: "a\x00b"}
    rows = read({"a.csv": HEADING + line("1") + line(**told)})
    assert set(by_key(rows)) == {"1"}
    assert rows[1].column == {"key": "customer_no", "org": "org_code", "face": "face_key"}[field]
    assert "\x00" not in rows[1].record.customer_no.reveal() + rows[1].record.org_code


def test_a_key_that_turns_the_text_around_is_refused(read: Any) -> None:
    (row,) = read({"a.csv": HEADING + line("12\u202e34")})
    assert (row.column, row.record.customer_no.reveal()) == ("customer_no", "1234")


def test_lone_surrogates_do_not_get_in(read: Any) -> None:
    utf16 = (HEADING + line("1", name="测\ud800试") + line("2")).encode("utf-16-le", "surrogatepass")
    jsonl = (
        b'{"customer_no": "3", "name": "\\ud800"}\n{"customer_no": "4"}\n{"customer_no": "5", "name": "\xed\xa0\x80"}\n'
    )
    rows = read({"a.csv": b"\xff\xfe" + utf16, "b.jsonl": jsonl})
    assert set(by_key(rows)) == {"1", "2", "4"}
    assert by_key(rows)["1"].name is None


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "a/../../b", "a\\..\\b", "..", "a//b", "./a"])
def test_a_media_key_never_leaves_the_prefix(key: str, read: Any, tmp_path: Path) -> None:
    (row,) = read({"a.csv": HEADING + line("1", face=key)})
    with pytest.raises(Forbidden) as told:
        FolderStore(tmp_path).get(row.face_key.reveal())
    assert key not in str(told.value)


def test_a_media_key_made_by_a_template_does_not_leave_it_either(read: Any, tmp_path: Path) -> None:
    (row,) = read({"a.csv": HEADING + line("../../x")}, Layout(media_keys={"face_key": "f/{customer_no}.jpg"}))
    with pytest.raises(Forbidden):
        FolderStore(tmp_path).get(row.face_key.reveal())


def test_formula_cells_are_text_like_any_other(read: Any) -> None:
    (row,) = read({"a.csv": HEADING + line("=cmd|' /C calc'!A0", org="@SUM(1)")})
    assert (row.customer_no.reveal(), row.org_code) == ("=cmd|' /C calc'!A0", "@SUM(1)")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b"   "])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.xlsx", "a.csv.gz", "a.csv.zst"])
def test_an_empty_file_is_named(name: str, data: bytes, read: Any) -> None:
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        read({name: data})


@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx", "a.csv.gz", "a.jsonl.zst", "a.jsonl", "a.csv"])
@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_an_input_error_or_rows_never_anything_else(name: str, seed: int, read: Any) -> None:
    found = _rows_or_file(read, name, Random(seed).randbytes(3_000))
    assert found == name or all(isinstance(row, RejectedRow) for row in found)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("form", ["a.parquet", "a.xlsx", "a.csv.gz"])
def test_damaged_files_are_an_input_error_or_rows(form: str, seed: int, read: Any) -> None:
    rng = Random(seed)
    data = bytearray(_whole(form))
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    found = _rows_or_file(read, form, bytes(data))
    assert found == form or isinstance(found, list)


@pytest.mark.parametrize("form", ["a.parquet", "a.xlsx", "a.csv.gz"])
def test_a_file_cut_short_is_named(form: str, read: Any) -> None:
    data = _whole(form)
    with pytest.raises(InputError, match=form):
        read({form: data[: len(data) * 2 // 3]})


def _rows_or_file(read: Any, name: str, data: bytes) -> list[Record | RejectedRow] | str:
    try:
        return read({name: data})  # type: ignore[no-any-return]
    except InputError as error:
        return error.file


def _whole(form: str) -> bytes:
    rng = Random(0)
    rows = [[f"{n}", "测试", GOOD, f"{rng.random()}"] for n in range(500)]
    heading = ["customer_no", "name", "id_number", "org_code"]
    out = io.BytesIO()
    if form == "a.parquet":
        pq.write_table(pa.table(dict(zip(heading, map(list, zip(*rows, strict=True)), strict=True))), out)
    elif form == "a.xlsx":
        import xlsxwriter

        with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
            sheet = book.add_worksheet()
            for at, row in enumerate([heading, *rows]):
                sheet.write_row(at, 0, row)
    else:
        out.write(gzip.compress("\n".join(map(",".join, [heading, *rows])).encode()))
    return out.getvalue()


def test_packed_text_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.ingest.unpack.FREE", 1_000_000)
    packed = gzip.compress(b" " * 20_000_000)
    stream = unpacked("a.csv.gz", io.BytesIO(packed), len(packed))
    with pytest.raises(InputError, match="200 times"):
        shutil.copyfileobj(stream, io.BytesIO())


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst"])
def test_a_bomb_among_good_files_is_one_withheld_row(name: str, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.ingest.unpack.FREE", 1_000_000)
    bomb = (HEADING + line("1") + "x" * 20_000_000).encode()
    packed = gzip.compress(bomb) if name.endswith("gz") else bytes(pa.compress(bomb, "zstd", asbytes=True))
    rows = read({name: packed, "b.csv": HEADING + line("2")})
    assert {"2"} <= set(by_key(rows)) <= {"1", "2"}
    (bad,) = [row for row in rows if isinstance(row, RejectedRow)]
    assert (bad.outcome, bad.reason, bad.record.source_file) == (Outcome.WITHHELD, Reason.UNREADABLE_FILE, name)
    assert bad.detail == "unpacks to more than 200 times its size"


def test_a_long_value_that_parquet_repeats_is_held_once(read: Any) -> None:
    """Some KB that would be 2 GB; every row is rejected for its long cell, the column of lists is not read."""
    places = pa.array([0] * 2_000, pa.int32())
    long = pa.DictionaryArray.from_arrays(places, pa.array(["x" * 1_000_000]))
    out = io.BytesIO()
    table = pa.table({"customer_no": [f"{n}" for n in range(2_000)], "name": long, "tags": [["a"]] * 2_000})
    pq.write_table(table, out, store_schema=False)
    assert out.tell() < 1_000_000
    most = pa.default_memory_pool().max_memory()
    rows = read({"a.parquet": out.getvalue()})
    assert pa.default_memory_pool().max_memory() < most + 200_000_000
    assert {(row.column, row.detail) for row in rows} == {("name", "longer than 1000 characters")}
    assert len(rows) == 2_000


def test_blanks_in_a_parquet_of_repeated_text_stay_blank(read: Any) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"customer_no": ["1", "2", "3"], "org_code": ["x" * 900, None, "y" * 1_001]}), out)
    one, two, three = read({"a.parquet": out.getvalue()})
    assert (len(one.org_code), two.org_code, three.column) == (900, "", "org_code")


def test_a_changed_input_is_named_and_not_read(store: Any) -> None:
    store.put("a.csv", (HEADING + line("1")).encode())
    pinned = pin(store, ["*.csv"])
    store.put("a.csv", (HEADING + line("2")).encode())
    with pytest.raises(InputError, match=r"a\.csv: the file was changed"):
        list(read_inputs(store, pinned, Source(records="test")))


def test_an_input_removed_after_it_was_listed_is_one_withheld_row_and_the_rest_is_read(store: Any) -> None:
    for name in ("a.csv", "b.csv"):
        store.put(name, (HEADING + line(name)).encode())
    pinned = pin(store, ["*.csv"])
    store.delete("a.csv")
    gone, good = next(read_inputs(store, pinned, Source(records="test")))
    assert isinstance(gone, RejectedRow)
    assert (gone.record.source_file, gone.record.source_row) == ("a.csv", 0)
    assert isinstance(good, Record)


def test_an_input_replaced_after_it_was_listed_stops_everything_even_among_good_ones(store: Any) -> None:
    for name in ("a.csv", "b.csv"):
        store.put(name, (HEADING + line(name)).encode())
    pinned = pin(store, ["*.csv"])
    store.put("a.csv", (HEADING + line("other")).encode())
    with pytest.raises(InputError, match=r"a\.csv: the file was changed"):
        list(read_inputs(store, pinned, Source(records="test")))


def test_an_input_removed_after_it_was_listed_is_named(store: Any) -> None:
    store.put("a.csv", (HEADING + line("1")).encode())
    pinned = pin(store, ["*.csv"])
    store.delete("a.csv")
    with pytest.raises(InputError, match=r"a\.csv: the file was changed or removed"):
        list(read_inputs(store, pinned, Source(records="test")))


@pytest.mark.parametrize("form", ["a.csv", "a.parquet", "a.jsonl"])
def test_an_input_changed_while_it_is_read_is_named(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in ranges, as from an object store; an open file of a folder stays what it was."""
    store: Any = Distant(tmp_path / "source", make=True)
    monkeypatch.setattr("tasks.ingest.pinned.PIECE", 1 << 20)
    many = "".join(f'{{"customer_no": "{n}", "name": "{n:09000d}"}}\n' for n in range(1_200))
    out = io.BytesIO()
    rng = Random(1)
    keys = pa.table({"customer_no": [rng.randbytes(60).hex() for _ in range(30_000)]})
    pq.write_table(keys, out, compression="none", use_dictionary=False, row_group_size=5_000)
    data = {"a.csv": HEADING + line("1") * 100_000, "a.jsonl": many, "a.parquet": out.getvalue()}[form]
    store.put(form, data if isinstance(data, bytes) else data.encode())
    batches = read_inputs(store, pin(store, ["*"]), Source(records="test"))
    if form == "a.jsonl":
        monkeypatch.setattr("tasks.ingest.source.TOGETHER", 10)
    next(batches)
    store.put(form, b"something else")
    with pytest.raises(InputError, match="the file was changed"):
        list(batches)


def test_a_source_without_inputs_says_where_to_look(store: Any) -> None:
    with pytest.raises(InputError, match=r"no input fits \*\.csv"):
        pin(store, ["*.csv"])


def test_a_folder_named_like_a_file_is_no_input(store: Any) -> None:
    store.put("folder.csv/inner.csv", b"x")
    assert [item.key for item in pin(store, ["*.csv"])] == ["folder.csv/inner.csv"]


def test_an_inspection_goes_on_after_a_file_that_can_not_be_read(store: Any) -> None:
    store.put("a.csv", b"")
    store.put("b.csv", (HEADING + line("1") + line("2", number="1") + line("", name="欧阳")).encode())
    store.put("c.csv", "姓名\n欧阳\n".encode())
    report = inspect_source(store, Source(records="test"))
    assert report.unreadable == (
        Problem("a.csv", None, "", "the file is empty"),
        Problem("c.csv", None, "客户号", "no such column: map customer_no in the profile's [source.columns]"),
    )
    (seen,) = report.files
    assert (seen.rows, seen.rejected, seen.with_problems) == (3, 1, 1)
    assert (seen.form, seen.encoding, seen.encoding_guessed, seen.delimiter) == ("delimited", "utf-8", True, ",")
    assert seen.recognised["id_number"] == "证件号码"
    assert seen.first == (
        Problem("b.csv", 3, "id_number", "length is neither 15 nor 18"),
        Problem("b.csv", 4, "customer_no", "empty, or longer than 200 characters"),
    )
    assert "欧阳" not in repr(report)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.text(max_size=12), min_size=6, max_size=6),
    delimiter=st.sampled_from([",", "\t", ";"]),
)
def test_any_text_in_any_cell_is_a_record_or_a_reason(cells: list[str], delimiter: str, tmp_path: Path) -> None:
    import csv

    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(HEADING.strip().split(","))
    writer.writerow(cells)
    data = out.getvalue().encode("utf-8", "replace") + line("last").replace(",", delimiter).encode()
    store = FolderStore(tmp_path)
    store.put("a.csv", data)
    rows = [row for batch in read_inputs(store, pin(store, ["a.csv"]), Source(records="test")) for row in batch]
    assert isinstance(rows[-1], Record)
    for row in rows:
        record = row if isinstance(row, Record) else row.record
        assert record.customer_no.reveal().isprintable()
        assert record.org_code.isprintable()


@pytest.mark.parametrize(
    ("data", "said"),
    [('"客户号\n', "the heading can't be read"), (",,\n , \n", "no heading"), ("[1]\n", "no such column")],
)
def test_a_file_without_a_readable_heading_is_named(data: str, said: str, read: Any) -> None:
    with pytest.raises(InputError, match=said):
        read({"a.csv": data})


def test_a_huge_line_is_one_rejected_row_with_a_long_delimiter_too(read: Any) -> None:
    rows = read({"a.txt": f"客户号|!|姓名\n1|!|{'x' * 300_000}\n2|!|测试\n"}, delimiter="|!|")
    assert [isinstance(row, Record) for row in rows] == [False, True]


def test_json_lines_that_are_no_objects_are_rejected_rows(read: Any) -> None:
    rows = read({"a.jsonl": '[1]\nnull\n{"customer_no": "1", "org_code": true}\n{"customer_no"\n'})
    assert [isinstance(row, Record) for row in rows] == [False, False, True, False]


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "source", make=True)
    store.put("a.csv", (HEADING + line("1")).encode())
    pinned = pin(store, ["*"])
    (tmp_path / "secret.csv").write_text(HEADING + line("1"), encoding="utf-8")
    (tmp_path / "source" / "a.csv").unlink()
    (tmp_path / "source" / "a.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(InputError, match="the store refuses to give it"):
        list(read_inputs(store, pinned, Source(records="test")))
