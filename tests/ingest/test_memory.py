"""What is held while reading does not grow with the file."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from tasks.ingest import pin
from tasks.ingest.source import table_of
from tasks.settings import Source
from tasks.storage.folder import FolderStore

SOURCE = Source(records="test", include=("*",))
HEADING = "客户号,姓名,证件号码\n"


def write(store: FolderStore, form: str, rows: int) -> None:
    if form == "csv":
        store.put("a.csv", (HEADING + "".join(f"{n},测试,440524188001010014\n" for n in range(rows))).encode("gb18030"))
    elif form == "jsonl":
        store.put("a.jsonl", "".join(f'{{"customer_no": "{n}", "name": "测试"}}\n' for n in range(rows)).encode())
    elif form == "xlsx":
        with xlsxwriter.Workbook(store.address("a.xlsx"), {"constant_memory": True}) as book:
            sheet = book.add_worksheet()
            for n in range(rows):
                sheet.write_row(n, 0, [f"{n}", "测试"] if n else ["客户号", "姓名"])
    else:
        out = io.BytesIO()
        table = pa.table({"customer_no": [str(n) for n in range(rows)], "name": ["测试"] * rows})
        pq.write_table(table, out, row_group_size=10_000)
        store.put("a.parquet", out.getvalue())


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "xlsx"])
def test_four_times_the_rows_need_no_more_memory(form: str, tmp_path: Any) -> None:
    peaks = []
    least = 12_000 if form == "xlsx" else 40_000  # a sheet takes long to write
    for rows in (least, 4 * least):
        store = FolderStore(tmp_path / f"{rows}", make=True)
        write(store, form, rows)
        (item,) = pin(store, ["*"])
        tracemalloc.start()
        with table_of(store, item, SOURCE) as table:
            assert sum(1 for _ in table.rows) >= rows - 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] <= 1.2 * peaks[0] + 1_000_000
