"""One line of input becomes a record, or a rejected row with its column and reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tasks.ingest.columns import Columns
from tasks.privacy import Personal
from tasks.records import Outcome, Reason, Record, RejectedRow
from tasks.records.names import check_name
from tasks.records.numbers import check_number

RESIDENT: Final = frozenset(
    {
        "",
        "身份证",
        "居民身份证",
        "二代身份证",
        "中国居民身份证",
        "01",
        "0",
        "id_card",
        "idcard",
        "resident_id",
        "id card",
    }
)
PERMIT: Final = frozenset({"港澳台居住证", "港澳台居民居住证", "residence_permit"})
MOST_KEY: Final = 200
_PLAIN: Final = (
    "id_valid_to",
    "org_code",
    "risk_level",
    "due_date",
    "check_reason",
    "purpose",
    "legal_basis",
    "consent_ref",
    "cost_centre",
    "required_check",
    "actions",
)
_KEYS: Final = ("face_key", "card_front_key", "card_back_key", "video_key")


def record_of(file: str, number: int, row: Sequence[str], columns: Columns, width: int) -> Record | RejectedRow:
    """Return the record of a row, its text normalised; or why it can't be one."""
    record = _record(file, number, row, columns)
    if len(row) != width:
        return RejectedRow(record, Outcome.REJECTED, Reason.BAD_DATA, "", f"{len(row)} cells, the heading has {width}")
    if not _sound_key(record.customer_no.reveal()):
        return RejectedRow(record, Outcome.REJECTED, Reason.BAD_DATA, "customer_no", "empty, too long or unprintable")
    if record.id_type.lower() not in RESIDENT | PERMIT:
        return RejectedRow(record, Outcome.REJECTED, Reason.UNSUPPORTED_DOCUMENT, "id_type", "not a resident id")
    return record


def _record(file: str, number: int, row: Sequence[str], columns: Columns) -> Record:
    told: dict[str, Any] = {field: _clean(columns.value(row, field)) for field in _PLAIN}
    told |= {field: Personal(value) for field in _KEYS if (value := columns.value(row, field))}
    name = check_name(columns.value(row, "name")) if columns.value(row, "name") else None
    checked = check_number(columns.value(row, "id_number")) if columns.value(row, "id_number") else None
    problems = tuple(
        (column, found.problem) for column, found in (("name", name), ("id_number", checked)) if found and found.problem
    )
    return Record(
        source_file=file,
        source_row=number,
        customer_no=Personal(_clean(columns.value(row, "customer_no"))),
        name=Personal(name.text) if name and name.text else None,
        id_type=_clean(columns.value(row, "id_type")),
        id_number=Personal(checked.text) if checked and checked.text else None,
        problems=problems,
        warnings=(*(name.warnings if name else ()), *(checked.warnings if checked else ())),
        **told,
    )


def _clean(text: str) -> str:
    """Return text without what a table or a page could stumble over: control characters and broken encoding."""
    return "".join(letter for letter in text[:1_000] if letter.isprintable())


def _sound_key(key: str) -> bool:
    return 0 < len(key) <= MOST_KEY
