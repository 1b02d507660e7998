"""A record's story: where it stood in the input, what was asked, answered, paid and decided, and how it ended.

Told from ledger and staged rows; a person names the record by its reference number or by file and line, never by an id
number, and nothing personal is told.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pyarrow.compute as pc

from flows.terminal import call_of, decision_of, unsent_of
from tasks.ledger import LedgerError, RunRow
from tasks.ledger.decided import named
from tasks.ledger.runs import plan_of, stopped_for
from tasks.reconcile.join import end_of
from tasks.runtime import Runtime
from tasks.text import LANGUAGES, Language, Text

CHINA: Final = dt.timezone(dt.timedelta(hours=8))
_REFERENCE: Final = re.compile(r"R[A-Z2-7]{15}")
_PLACE: Final = re.compile(r"(.+):(\d+)")


def story_of(held: Runtime, what: str, nights: int) -> dict[str, Any]:
    """Return the story of a record, looking for its row in the newest runs.

    Args:
        held: the profile's runtime.
        what: a reference number, or file:row.
        nights: in how many runs, newest first, its row is looked for.

    Raises:
        LedgerError: it names no record.
    """
    runs = held.ledger.runs(held.profile.name, most=nights)
    ref = what if _REFERENCE.fullmatch(what) else _ref_at(held, runs, what)
    calls, unsent = held.ledger.story(ref)
    rows = [(run, row) for run in runs for row in _rows(held, run, "record_ref", ref)]
    if not (rows or calls or unsent):
        raise LedgerError(f"no record {ref} in this ledger, nor in the latest {nights} runs of {held.profile.name}")
    ids = sorted({one for call in calls for one in (call.decision, call.set_aside) if one})
    decided = held.ledger.read(partial(named, names=ids))
    return {
        "record_ref": ref,
        "rows": [_row_of(held, run, row, calls, unsent) for run, row in rows],
        "calls": [call_of(call) for call in calls],
        "without_a_call": [unsent_of(note) for note in unsent],
        "decisions": [decision_of(row) for row in sorted(decided.values(), key=lambda row: row.at_us)],
    }


def told(story: dict[str, Any], language: Language) -> str:
    """Return a story as people read it: run by run, oldest first; in two languages one after the other."""
    return "\n\n".join(_told(story, Text(one)) for one in (LANGUAGES if language == "both" else (language,)))


def _told(story: dict[str, Any], text: Text) -> str:
    lines = [story["record_ref"]]
    by_run: dict[str, list[str]] = {}
    for row in reversed(story["rows"]):
        by_run[row["run_id"]] = [_place(row, text)]
    for call in story["calls"]:
        by_run.setdefault(call["run_id"], []).append(_call(call, text))
    for note in story["without_a_call"]:
        by_run.setdefault(note["run_id"], []).append(_note(note, text))
    for run_id, said in by_run.items():
        lines += ["", run_id, *(f"  {line}" for line in said)]
        lines += [f"  → {_end(row, text)}" for row in story["rows"] if row["run_id"] == run_id]
    if story["decisions"]:
        lines += ["", text("story.decisions"), *(f"  {_decision(one, text)}" for one in story["decisions"])]
    return "\n".join(lines)


def _ref_at(held: Runtime, runs: list[RunRow], what: str) -> str:
    """Return the reference of the newest row at a place; what was typed is not repeated: it may be personal."""
    place = _PLACE.fullmatch(what)
    if place is None:
        raise LedgerError("a record is named by its reference (R and 15 characters) or by file:row, never by a number")
    for run in runs:
        for row in _rows(held, run, "source_row", int(place[2])):
            if row["source_file"] == place[1]:
                return str(row["record_ref"])
    raise LedgerError(f"no such file and row in the latest {len(runs)} runs of {held.profile.name}")


def _rows(held: Runtime, run: RunRow, column: str, value: Any) -> Iterator[dict[str, Any]]:
    plan = plan_of(run)
    staging = held.staging(plan["staging"])
    for part in staging.manifest(plan["manifest_sha256"]).rows:
        table = staging.read(part)
        yield from table.filter(pc.equal(table[column], value)).to_pylist()


def _row_of(held: Runtime, run: RunRow, row: dict[str, Any], calls: list[Any], unsent: list[Any]) -> dict[str, Any]:
    note = next((one for one in unsent if one.run_id == run.run_id), None)
    mine = [call for call in calls if call.run_id == run.run_id]
    other = next(iter(held.ledger.calls_named([note.open_call])), None) if note and note.open_call else None
    end = end_of(row, mine, note, stopped_for(run), other)
    names = ("source_file", "source_row", "performed_check", "required_check", "rule", "duplicate_of", "relied_on_run")
    told_of = {"run_id": run.run_id, "business_date": run.business_date.isoformat(), "revision": run.revision}
    ends = {"outcome": str(end.outcome), "verdict": end.verdict, "reason": end.reason, "points_to": end.points_to}
    where = {"reason_column": end.reason_column, "reason_detail": end.reason_detail}
    return told_of | {name: row[name] for name in names} | ends | where


def _place(row: dict[str, Any], text: Text) -> str:
    check = text.known("operation", row["performed_check"]) if row["performed_check"] else "—"
    return text("story.row", file=row["source_file"], row=row["source_row"], check=check, rule=row["rule"] or "—")


def _call(call: dict[str, Any], text: Text) -> str:
    end = text.known("outcome", call["outcome"]) if call["outcome"] else text(f"story.{call['state']}")
    code = call["verification_code"] or call["code"]
    charge = text(f"story.charge_{call['charge']}", amount=call["amount"])
    at, name = _at(call["sent_at"]), call["call_id"]
    return text("story.call", at=at, attempt=call["attempt"], call=name, end=f"{end} {code}".strip(), charge=charge)


def _note(note: dict[str, Any], text: Text) -> str:
    end = text.known("outcome", note["outcome"])
    reason = text.known("reason", note["reason"]) if note["reason"] else ""
    return text("story.note", at=_at(note["at"]), end=" · ".join(filter(None, (end, reason, note["open_call"]))))


def _end(row: dict[str, Any], text: Text) -> str:
    parts = [text.known("outcome", row["outcome"])]
    if row["verdict"] and row["verdict"] != row["outcome"]:
        parts.append(text.known("outcome", row["verdict"]))
    parts += [text.known("reason", row["reason"])] if row["reason"] else []
    where = f"{row['reason_column']}: " if row["reason_column"] else ""
    parts += [where + text.problem(row["reason_detail"])] if row["reason_detail"] else []
    parts += [row[name] for name in ("duplicate_of", "relied_on_run", "points_to") if row[name]]
    return " · ".join(parts)


def _decision(one: dict[str, Any], text: Text) -> str:
    kind = text.known("decision", one["kind"].replace("-", "_"))
    return text("story.decision", at=_at(one["at"]), kind=kind, who=one["who"], why=one["why"], target=one["target"])


def _at(utc: str) -> str:
    return f"{dt.datetime.fromisoformat(utc).astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
