"""`inspect`: what is recognised in a source before anything is planned; nothing is asked, and no value is shown."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from tasks.ingest import FileReport, SourceReport, inspect_source
from tasks.ingest.columns import FIELDS
from tasks.report.inputs import endings
from tasks.settings import Profile, Secrets, Source, Storage, load_profile
from tasks.storage import open_store
from tasks.text import Text

MOST: Final = 40


def inspected(where: str, profile: str, on: dt.date | None) -> tuple[SourceReport, Text]:
    """Read a source; return what was found, and the language to tell it in.

    Args:
        where: a profile's name; or a folder, or an ``s3://`` prefix, read as `profile` would read it.
        profile: whose store, columns and forms apply to a folder or prefix; for a folder it may be left out.
        on: the business date, for partitions and the control file; today where None.

    Raises:
        ProfileError, MissingSecretError, StorageError, InputError: what keeps it from being read.
    """
    found = _profile_for(where, profile)
    source = found.source if found else Source(records=where)
    if _is_place(where):
        source = source.model_copy(update={"records": where})
    store = open_store(source.records, found.storage if found else Storage(), Secrets())
    date = on or (dt.datetime.now(found.zone).date() if found else dt.date.today())  # noqa: DTZ011  # a trial's own day
    return inspect_source(store, source, on=date), Text(found.language if found else "both")


def _profile_for(where: str, profile: str) -> Profile | None:
    if not _is_place(where):
        return load_profile(where)
    if profile or where.startswith("s3:"):
        return load_profile(profile or "nightly")
    return None


def _is_place(where: str) -> bool:
    return not where.endswith(".toml") and ("/" in where or where == "." or Path(where).is_dir())


def show(report: SourceReport, text: Text) -> None:
    """Print a report for people."""
    console = Console()
    console.print(Line(report.source, style="bold"))
    if report.incomplete:
        console.print(Line(text("inspect.incomplete", problem=report.incomplete), style="bold red"))
    console.print(_files(report, text))
    if report.others:
        console.print(_line(text("inputs.others", endings=endings(report.others, text))))
    for fields, files in _alike(report.files):
        console.print(_headings(fields, files, text))
    console.print(_counts(report, text))
    if any(item.encoding_guessed and item.encoding == "gb18030" for item in report.files):
        console.print(text("inspect.big5"))
    _print_first(console, report, text)


def _files(report: SourceReport, text: Text) -> Table:
    names = ("file", "form", "heading_row", "rows", "rejected", "with_problems")
    table = _table(text, "files", names, numbers=4)
    for item in report.files[:MOST]:
        delimiter = repr(item.delimiter) if item.delimiter else ""
        how = " ".join(filter(None, (item.form, item.encoding, delimiter)))
        told = (item.file, how, item.heading_row or "", item.rows, item.rejected, item.with_problems)
        table.add_row(*map(_line, told))
    if len(report.files) > MOST:
        table.add_row(text("inspect.more", count=len(report.files) - MOST))
    sums = [sum(getattr(item, name) for item in report.files) for name in names[3:]]
    table.add_row(text("report.total"), "", "", *map(str, sums), style="bold")
    return table


def _alike(files: Iterable[FileReport]) -> list[tuple[FileReport, list[str]]]:
    """Return one of each kind of files whose headings are the same, with the names of all of that kind."""
    kinds: dict[str, list[FileReport]] = defaultdict(list)
    for item in files:
        kinds[repr((item.recognised, item.ignored))].append(item)
    return [(alike[0], [item.file for item in alike]) for alike in kinds.values()]


def _headings(one: FileReport, files: Sequence[str], text: Text) -> Table:
    names = ", ".join(files[:3]) + (" …" if len(files) > 3 else "")
    table = _table(text, "headings", ("heading", "field"))
    table.caption = _line(names)
    for name, heading in one.recognised.items():
        table.add_row(_line(heading), _line(f"{FIELDS[name][0]} {name}"))
    for heading in one.ignored:
        table.add_row(_line(heading), text("inspect.ignored"), style="dim")
    return table


def _counts(report: SourceReport, text: Text) -> Table:
    table = _table(text, "problems", ("problem", "rows"), numbers=1)
    for kind in ("problems", "warnings"):
        sums: dict[str, int] = defaultdict(int)
        for item in report.files:
            for name, count in getattr(item, kind).items():
                sums[name] += count
        for name, count in sorted(sums.items(), key=lambda item: -item[1])[:MOST]:
            table.add_row(_line(_said(name, text)), str(count), style="dim" if kind == "warnings" else None)
    return table


def _said(name: str, text: Text) -> str:
    """Return a kind of problem, ``column: sentence``, or of warning, as people read it."""
    column, colon, sentence = name.partition(": ")
    if colon and column in FIELDS:
        return f"{column}: {text.problem(sentence)}"
    known = text.known("warning", name)
    return text.problem(name) if known == name else f"{name} {known}"


def _print_first(console: Console, report: SourceReport, text: Text) -> None:
    table = _table(text, "first", ("file", "row", "column", "problem"))
    found = [*report.unreadable, *(problem for item in report.files for problem in item.first)]
    for one in found[:MOST]:
        table.add_row(*map(_line, (one.file, one.row or "", one.column, text.problem(one.problem))))
    console.print(table if found else text("inspect.sound"))


def _table(text: Text, title: str, names: Sequence[str], *, numbers: int = 0) -> Table:
    table = Table(title=text(f"inspect.{title}"), title_justify="left", caption_justify="left")
    for place, name in enumerate(names):
        right = place >= len(names) - numbers
        table.add_column(text(f"inspect.{name}"), justify="right" if right else "left", overflow="fold")
    return table


def _line(told: object) -> Line:
    """Return text that rich takes as it stands, square brackets included."""
    return Line(str(told))
