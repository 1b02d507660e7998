"""Tables as files: Parquet and UTF-8 CSV for machines, XLSX with headings and text cells for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from tasks.privacy import defuse
from tasks.records.contracts import Contract
from tasks.text import Text

WIDE: Final = {
    "suggested_action": 48,
    "detail": 48,
    "reason_detail": 32,
    "outcome_label": 26,
    "source_file": 22,
    "record_ref": 20,
    "exception_no": 34,
}


class TableFiles:
    """One table being written, batch by batch, in every form; each batch is checked against the contract first.

    Args:
        folder: where the files go.
        contract: the table's columns.
        text: headings for people.
        xlsx_rows: how many rows the XLSX takes at most; machines read all in the other forms. 0: no XLSX.
    """

    def __init__(self, folder: Path, contract: Contract, text: Text, *, xlsx_rows: int) -> None:
        self.contract = contract
        self.rows = 0
        self.paths = [folder / f"{contract.table}.{kind}" for kind in ("parquet", "csv")]
        self._parquet = pq.ParquetWriter(self.paths[0], contract.schema, compression="zstd")
        self._csv_file = self.paths[1].open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._csv_file, lineterminator="\n")
        self._csv.writerow(contract.names)
        self._sheet = _Sheet(folder / f"{contract.table}.xlsx", contract, text, xlsx_rows) if xlsx_rows else None
        if self._sheet:
            self.paths.append(self._sheet.path)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a batch."""
        if not rows:
            return
        table = pa.Table.from_pylist(list(map(dict, rows)), schema=self.contract.schema)
        self.contract.check(table)
        self._parquet.write_table(table)
        self._csv.writerows([_cell(row[name]) for name in self.contract.names] for row in rows)
        if self._sheet:
            self._sheet.write(rows)
        self.rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parquet.close()
        self._csv_file.close()
        if self._sheet:
            self._sheet.close(notes=())

    def note(self, notes: Iterable[str]) -> None:
        """Put sentences on the XLSX's first sheet."""
        if self._sheet:
            self._sheet.notes = list(notes)


class _Sheet:
    """An XLSX for people: numbers as text, so that no long number is ruined; nothing in it can run."""

    def __init__(self, path: Path, contract: Contract, text: Text, most: int) -> None:
        self.path = path
        self.notes: list[str] = []
        self._contract = contract
        self._most = most
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(str(path), options)
        self._about = self._book.add_worksheet("说明 About")
        self._sheet = self._book.add_worksheet(contract.table)
        self._text = self._book.add_format({"num_format": "@", "valign": "top"})
        heading = self._book.add_format(
            {"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#1F3A5F", "font_color": "#FFFFFF"}
        )
        for place, name in enumerate(contract.names):
            self._sheet.set_column(place, place, WIDE.get(name, 15))
        for place, name in enumerate(contract.names):
            self._sheet.write_string(0, place, "\n".join(text.lines(f"column.{name}")), heading)
        self._sheet.set_row(0, 32)
        self._sheet.freeze_panes(1, 0)
        self._rows = 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows[: max(self._most - self._rows, 0)]:
            self._rows += 1
            for place, name in enumerate(self._contract.names):
                self._sheet.write_string(self._rows, place, _cell(row[name]), self._text)

    def close(self, notes: Sequence[str]) -> None:
        self._sheet.autofilter(0, 0, max(self._rows, 1), len(self._contract.names) - 1)
        self._about.set_column(0, 0, 110)
        wrap = self._book.add_format({"text_wrap": True, "valign": "top"})
        for line, note in enumerate([*self.notes, *notes]):
            self._about.write_string(line, 0, note, wrap)
        self._sheet.activate()
        self._book.close()


def _cell(value: Any) -> str:
    return defuse(str(value)) if isinstance(value, str) else str(value)
