"""A plan's row: what is known of an input row before anything is asked; masked, but for the customer's own key."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import Any, Final

from tasks.plan.reuse import Known
from tasks.privacy import mask_name, mask_number
from tasks.records import Outcome, Record
from tasks.records.rare import PROPOSED, hint
from tasks.staging import ROW_TEXT

_LONG_TERM: Final = frozenset({"长期", "长期有效", "永久", "long-term", "long term"})
_DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})|([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?")
_FROM_TO: Final = re.compile(rf"(?:{_DATE.pattern})\s*(?:[-—–~～至到]|to)\s*(?P<end>.+)")
_FOREVER: Final = dt.date(9999, 12, 31)


def row_of(record: Record, ref: str, *, on: dt.date, expiring_days: int, rule_version: str) -> dict[str, Any]:
    """Return the row with everything the input told; disposition and check are still empty.

    Of a name its first character is told, or its rare one, and never both.
    """
    row: dict[str, Any] = dict.fromkeys(ROW_TEXT, "")
    name = record.name.reveal() if record.name else ""
    rare = hint(name)
    row.update(
        record_ref=ref,
        source_file=record.source_file,
        source_row=record.source_row,
        customer_no=record.customer_no.reveal(),
        name_masked=mask_name(name, whole=bool(rare)) if name else "",
        id_type=record.id_type,
        id_masked=mask_number(record.id_number.reveal()) if record.id_number else "",
        id_valid_to=record.id_valid_to,
        id_expiry_status=expiry_status(record.id_valid_to, on, expiring_days),
        org_code=record.org_code,
        risk_level=record.risk_level,
        due_date=record.due_date,
        check_reason=record.check_reason,
        purpose=record.purpose,
        legal_basis=record.legal_basis,
        consent_ref=record.consent_ref,
        cost_centre=record.cost_centre,
        required_check=record.required_check,
        rule_version=rule_version,
        warnings="; ".join(one for one in record.warnings if PROPOSED not in one),
        name_hint=rare,
    )
    return row


def turned_away(outcome: Outcome, reason: str, column: str, detail: str) -> dict[str, Any]:
    """Return what a row says that is not asked, and why; `detail` is a sentence that holds nothing of the row."""
    return {"disposition": outcome.value, "reason": str(reason), "reason_column": column, "reason_detail": detail}


def before(known: Known | None) -> dict[str, Any]:
    """Return what a row says of the question's last answer."""
    return {"previous_outcome": known.outcome, "previous_at": known.at} if known else {}


def relied_on(known: Known) -> dict[str, Any]:
    """Return what a row says that relies on an earlier answer."""
    return {
        "disposition": "reused",
        "relied_on_run": known.run_id,
        "relied_on_call": known.call_id,
        "relied_on_outcome": known.outcome,
        "relied_on_at": known.at,
        "relied_on_code": known.code,
    }


@lru_cache(maxsize=4_096)
def expiry_status(valid_to: str, on: dt.date, expiring_days: int) -> str:
    """Tell of a document's last day: ``valid expiring expired long_term not_given`` or ``unclear``."""
    text = _end_of(valid_to.strip())
    if not text:
        return "not_given"
    if text.lower() in _LONG_TERM:
        return "long_term"
    last = _date(text)
    if last is None:
        return "unclear"
    if last == _FOREVER:
        return "long_term"
    if last < on:
        return "expired"
    return "expiring" if (last - on).days <= expiring_days else "valid"


def _end_of(text: str) -> str:
    """Return the later of both ends of what a card has printed on it, ``2020.01.01-2030.01.01``; else the text."""
    found = _FROM_TO.fullmatch(text)
    return found["end"] if found else text


def _date(text: str) -> dt.date | None:
    found = _DATE.fullmatch(text.split(" ", maxsplit=1)[0].split("T", maxsplit=1)[0])
    if not found:
        return None
    try:
        return dt.date(*(int(part) for part in found.groups() if part))
    except ValueError:
        return None
