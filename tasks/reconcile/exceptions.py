"""Rows that people work on: which, how urgent, and what to do next. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from tasks.records import Outcome, Reason
from tasks.text import Text

CLASSES: Final = frozenset(
    {
        Outcome.IN_DOUBT, Outcome.FAILED, Outcome.UNREADABLE, Outcome.UNKNOWN_VERDICT, Outcome.WITHHELD,
        Outcome.MISMATCH, Outcome.FACE_MISMATCH, Outcome.MEDIA_REJECTED, Outcome.NO_PHOTO, Outcome.NOT_FOUND,
        Outcome.REJECTED,
    }
)  # fmt: skip
EXPIRED: Final = "expired_document"
CONFLICTING: Final = "conflicting_data"
_URGENT: Final = frozenset({Outcome.MISMATCH, Outcome.FACE_MISMATCH, Outcome.IN_DOUBT, Outcome.UNREADABLE})
_HIGH_RISK: Final = frozenset({"高", "high", "高风险", "3"})


def exception_rows(result: Mapping[str, Any], text: Text, today: dt.date) -> list[dict[str, Any]]:
    """Return the exceptions that a result row raises: by its outcome, and by what planning found odd about the row.

    Reused verdicts raise theirs as well: they are still open. Two rows of one customer that say different things are
    both asked; the later one raises the exception and names the place of the first.
    """
    kind = str(result["verdict"] if result["outcome"] == Outcome.REUSED else result["outcome"])
    raised = [_row(result, text, today, kind, str(result["reason"]))] if kind in CLASSES else []
    for row in raised:
        row.update(reason_column=result["reason_column"], detail=_detail(result, text))
    if result["id_expiry_status"] == "expired":
        raised.append(_row(result, text, today, EXPIRED, str(result["id_valid_to"])))
    if result["conflict_with"]:
        here = f"{result['source_file']}:{result['source_row']}"
        raised.append(_row(result, text, today, CONFLICTING, f"{here} <> {result['conflict_with']}"))
    return raised


def _row(result: Mapping[str, Any], text: Text, today: dt.date, kind: str, reason: str) -> dict[str, Any]:
    first = str(result["previous_at"])[:10] if result["previous_outcome"] == kind else ""
    first_seen = first or str(result["business_date"])
    return {
        "exception_no": f"E-{result['record_ref']}-{kind}",
        "record_ref": result["record_ref"],
        "source_file": result["source_file"],
        "source_row": result["source_row"],
        "customer_no": result["customer_no"],
        "org_code": result["org_code"],
        "risk_level": result["risk_level"],
        "class": kind,
        "priority": _priority(kind, str(result["risk_level"])),
        "first_seen": first_seen,
        "days_open": max((today - dt.date.fromisoformat(first_seen)).days, 0),
        "reason": reason,
        "reason_column": "",
        "detail": "",
        "suggested_action": text("action.written_off" if reason == Reason.WRITTEN_OFF else f"action.{kind}"),
        **dict.fromkeys(
            ("assignee", "due_by", "disposition", "evidence_ref", "handled_by", "handled_at", "reviewed_by"), ""
        ),
    }


def _detail(result: Mapping[str, Any], text: Text) -> str:
    """Return what is wrong and what is odd about a row, as people read it."""
    problems = [str(result[name]) for name in ("reason_detail", "name_hint")]
    odd = str(result["warnings"]).split("; ") if result["warnings"] else []
    told = [*map(text.problem, filter(None, problems)), *(text(f"warning.{one}") for one in odd)]
    return " · ".join(told)


def _priority(kind: str, risk_level: str) -> str:
    if risk_level.lower() in _HIGH_RISK:
        return "1"
    return "2" if kind in _URGENT else "3"
