"""Read the same rows in every form and say how long it takes and how much memory, beside pandas.

    python -m tests.bench.bench_ingest [ROWS] [--forms "csv;parquet"] [--json]
    python -m tests.bench.bench_ingest --round-trip 100000     # names and numbers through each form, unchanged
    python -m tests.bench.bench_ingest --listing 1000000       # a prefix of so many objects, page by page

Each figure comes from a process of its own. `rows` reads raw rows of text, `records` applies all rules to them as well;
pandas is measured on the same file in the same run, with every column as text.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.memory import peak_mb

HEADINGS = ["customer_no", "name", "id_type", "id_number", "org_code", "risk_level", "purpose", "cost_centre"]
XLSX_MOST = 1_048_575
FORMS = {
    "csv": "people.csv",
    "csv in GB18030": "people-gb.csv",
    "csv.gz": "people.csv.gz",
    "csv.zst": "people.csv.zst",
    "jsonl": "people.jsonl",
    "parquet": "people.parquet",
    "xlsx": "people.xlsx",
    "xlsx, shared": "shared.xlsx",
}
LISTED_AT = 100_000


def people(rows: int) -> Iterator[list[str]]:
    """Synthetic people, born before 1900, with valid check digits."""
    from tasks.records.numbers import check_character

    for n in range(rows):
        body = f"440524{1800 + n % 100}{1 + n % 12:02d}{1 + n % 28:02d}{n // 1200 % 1000:03d}"
        name = chr(0x4E00 + n % 5000) + chr(0x5000 + n % 7919) + chr(0x6000 + n % 97)
        number = body + check_character(body)
        yield [f"C{n:09d}", name, "居民身份证", number, f"4405{n % 90:02d}", "中", "客户身份重新识别", "CC-01"]


def write_text(path: Path, rows: int, opened: Callable[[Path], object], encoding: str) -> None:
    with opened(path) as out:  # type: ignore[attr-defined]
        out.write((",".join(HEADINGS) + "\n").encode(encoding))
        for row in people(rows):
            out.write((",".join(row) + "\n").encode(encoding))


def gzipped(at: Path) -> gzip.GzipFile:
    return gzip.GzipFile(at, "wb", compresslevel=3)


def write_zst(path: Path, rows: int) -> None:
    import pyarrow as pa

    write_text(path, rows, lambda at: pa.CompressedOutputStream(str(at), "zstd"), "utf-8")


def write_jsonl(path: Path, rows: int) -> None:
    import orjson

    with path.open("wb") as out:
        for row in people(rows):
            out.write(orjson.dumps(dict(zip(HEADINGS, row, strict=True))) + b"\n")


def write_parquet(path: Path, rows: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in HEADINGS])
    with pq.ParquetWriter(path, schema) as out:
        batch: list[list[str]] = []
        for row in people(rows):
            batch.append(row)
            if len(batch) == 100_000:
                out.write_table(pa.table([list(c) for c in zip(*batch, strict=True)], schema=schema))
                batch = []
        if batch:
            out.write_table(pa.table([list(c) for c in zip(*batch, strict=True)], schema=schema))


def write_xlsx(path: Path, rows: int, *, inline: bool = True) -> None:
    """Write a sheet; spreadsheet programs share strings between cells, streaming writers put them into the cells."""
    import xlsxwriter

    book = xlsxwriter.Workbook(path, {"constant_memory": inline})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADINGS)
    for at, row in enumerate(people(min(rows, XLSX_MOST)), start=1):
        sheet.write_row(at, 0, row)
    book.close()


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "csv": lambda path, rows: write_text(path, rows, lambda at: at.open("wb"), "utf-8"),
    "csv in GB18030": lambda path, rows: write_text(path, rows, lambda at: at.open("wb"), "gb18030"),
    "csv.gz": lambda path, rows: write_text(path, rows, gzipped, "utf-8"),
    "csv.zst": write_zst,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "xlsx": write_xlsx,
    "xlsx, shared": lambda path, rows: write_xlsx(path, rows, inline=False),
}


def read(folder: Path, form: str, how: str) -> int:
    """Read one file; return its rows."""
    from tasks.ingest import pin
    from tasks.ingest.source import read_inputs, table_of
    from tasks.settings import Source
    from tasks.storage.folder import FolderStore

    store = FolderStore(folder)
    item = pin(store, [FORMS[form]])[0]
    source = Source(records="bench", include=("*",))
    if how == "records":
        return sum(map(len, read_inputs(store, [item], source)))
    with table_of(store, item, source) as table:
        return sum(1 for _ in table.rows)


def read_pandas(folder: Path, form: str, _how: str) -> int:
    """Read the same file whole with pandas, every column as text."""
    import pandas as pd

    path = str(folder / FORMS[form])
    if form == "csv.zst":
        import pyarrow as pa

        return len(pd.read_csv(pa.CompressedInputStream(path, "zstd"), dtype=str, keep_default_na=False))
    text = {"dtype": str, "keep_default_na": False}
    if form == "parquet":
        return len(pd.read_parquet(path))
    if form == "jsonl":
        return len(pd.read_json(path, lines=True, dtype=False))
    if form.startswith("xlsx"):
        return len(pd.read_excel(path, engine="calamine", **text))
    return len(pd.read_csv(path, encoding="gb18030" if "GB" in form else "utf-8", **text))


def measure(folder: Path, form: str, how: str) -> None:
    """Print rows, seconds and peak MB of one reading, imports left out of the seconds."""
    import tasks.ingest

    if how == "pandas":
        import pandas as pd

        assert pd
    assert tasks.ingest
    began = time.perf_counter()
    rows = (read_pandas if how == "pandas" else read)(folder, form, how)
    seconds = time.perf_counter() - began
    print(
        json.dumps({"form": form, "how": how, "rows": rows, "seconds": round(seconds, 2), "peak_mb": round(peak_mb())})
    )


def round_trip(rows: int) -> None:
    """Send generated names and numbers through every form, and say whether they arrived as they were."""
    from tasks.ingest import read_source
    from tasks.settings import Source
    from tasks.storage.folder import FolderStore
    from tests.ingest.test_forms import FORMS as WRITTEN
    from tests.ingest.test_forms import people as odd_people
    from tests.ingest.test_forms import told

    sent = odd_people(rows)
    for form, written in WRITTEN.items():
        with tempfile.TemporaryDirectory(prefix="ivs-bench-") as folder:
            (Path(folder) / form).write_bytes(written(sent))
            began = time.perf_counter()
            batches = read_source(FolderStore(Path(folder)), Source(records="bench", include=("*",)))
            same = [told(row) for batch in batches for row in batch] == sent
            seconds = time.perf_counter() - began
        print(f"{form:16}{rows:10}{seconds:9.2f}  {'unchanged' if same else 'CHANGED'}", flush=True)


def listing(objects: int) -> None:
    """List a prefix of so many objects, and say how long it takes and how much memory, on the way and at the end."""
    import pytest

    from tasks.local.seaweed import LocalStore
    from tasks.privacy import Secret
    from tasks.storage import open_store
    from tests.storage.obs_double import obs

    nowhere = LocalStore("http://127.0.0.1:9", Secret("key"), Secret("secret"))
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as folder,
        obs(nowhere, Path(folder), patch) as double,
    ):
        double.objects, began = objects, time.perf_counter()
        store = open_store("s3://tests/p", double.settings(), double.secrets())
        for count, _ in enumerate(store.list(), start=1):
            if count in {1_000, objects} or not count % LISTED_AT:
                print(f"{count:10} objects{time.perf_counter() - began:9.1f} s{peak_mb():7} MB", flush=True)
        assert count == objects


def main() -> None:
    """Write the files, read each in a fresh process, print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("rows", nargs="?", type=int, default=1_000_000)
    asked.add_argument("--forms", default=";".join(FORMS))
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--round-trip", type=int, default=0)
    asked.add_argument("--listing", type=int, default=0)
    asked.add_argument("--measure", nargs=3, metavar=("FOLDER", "FORM", "HOW"), help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.measure:
        measure(Path(given.measure[0]), *given.measure[1:])
        return
    if given.round_trip:
        round_trip(given.round_trip)
        return
    if given.listing:
        listing(given.listing)
        return
    with tempfile.TemporaryDirectory(prefix="ivs-bench-") as folder:
        if not given.json:
            print(f"{'form':16}{'how':10}{'rows':>10}{'seconds':>9}{'peak MB':>9}")
        for form in given.forms.split(";"):
            WRITERS[form](Path(folder) / FORMS[form], given.rows)
            for how in ("rows", "records", "pandas"):
                again = [sys.executable, __file__, "--measure", folder, form, how]
                line = subprocess.run(again, check=True, capture_output=True, text=True).stdout
                found = json.loads(line)
                if given.json:
                    print(line, end="")
                else:
                    print(f"{form:16}{how:10}{found['rows']:10}{found['seconds']:9}{found['peak_mb']:9}", flush=True)
            (Path(folder) / FORMS[form]).unlink()


if __name__ == "__main__":
    main()
