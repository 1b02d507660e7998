"""One line of input becomes a record, or a rejected row with its column and reason."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from tasks.ingest.columns import Columns
from tasks.ingest.table import BadRow, FromNumber, Row
from tasks.privacy import Personal
from tasks.records import Outcome, Reason, Record, RejectedRow
from tasks.records.layout import Layout
from tasks.records.names import check_name
from tasks.records.numbers import PERMITS, check_number

_PLAIN: Final = Layout()
RESIDENT: Final = frozenset(
    (
        *("", "身份证", "居民身份证", "二代身份证", "第二代居民身份证", "中国居民身份证", "中华人民共和国居民身份证"),
        *("01", "0", "111", "110001", "idcard", "residentid", "residentidcard", "residentidentitycard"),
        *("临时身份证", "临时居民身份证", "110003"),
    )
)
"""Kinds of document that are a resident identity card, the temporary one included, which bears the same number; 111 is
GA/T 517's code, 110001 and 110003 the banks'."""

PERMIT: Final = frozenset(
    (
        *("港澳台居住证", "港澳台居民居住证", "港澳居民居住证", "台湾居民居住证"),
        "residencepermit",
    )
)
"""Residence permits of Hong Kong, Macao and Taiwan residents: checked like cards, with their data given as text."""

_OWN_RULES: Final = frozenset({"customer_no", "name", "id_number"})
_CONTROLS: Final = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufffd]")
MOST_KEY: Final = 200
MOST_TEXT: Final = 1_000
_AS_IT_STANDS: Final = frozenset(
    (
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
        "id_type",
    )
)
_GROUNDS: Final = ("purpose", "legal_basis", "consent_ref")
_NO_GROUND: Final = frozenset({"无", "暂无", "没有", "否", "-", "--", "—", "/", "N/A", "n/a"})
"""Words for having none: they are no ground on which a person's data may be used."""

_KEYS: Final = ("face_key", "card_front_key", "card_back_key", "video_key")
TEMPLATE_FIELDS: Final = ("customer_no", "org_code", "cost_centre", "consent_ref")
"""What a key template may name; all of it text that was found printable."""

_CODE_BEFORE: Final = re.compile(r"^[0-9a-z]{1,8}[-:.、|]?(?=[\u4e00-\u9fff])")
"""What stands before the words: ``01-居民身份证``."""

_ROUNDED: Final = re.compile(r"\s*\d(\.\d+)?[eE]\+\d+\s*")
_LOST: Final = "stored as a number, which loses digits: store it as text"
_BROKEN: Final = "control characters or broken encoding"


def record_of(file: str, number: int, row: Row, columns: Columns, layout: Layout = _PLAIN) -> Record | RejectedRow:
    """Return the record of a row, its text normalised; or why it can't be one.

    What is wrong with name and number alone is kept in the record's `problems`: the check decides whether it matters.
    """
    if isinstance(row, BadRow):
        return _rejected(Record(file, number, Personal("")), "", row.problem)
    record = _record(file, number, row, columns, layout.media_keys)
    if len(row) < columns.width or any(cell.strip() for cell in row[columns.width :]):
        return _rejected(record, "", f"{len(row)} cells, the heading has {columns.width}")
    unsound = _unsound_column(row, columns)
    if unsound:
        return _rejected(record, *unsound)
    kind = _kind(record.id_type)
    if kind not in RESIDENT | PERMIT and record.id_type not in layout.id_types:
        return RejectedRow(record, Outcome.REJECTED, Reason.UNSUPPORTED_DOCUMENT, "id_type", "not a resident id")
    permit = _permit_warnings(record, named=kind in PERMIT)
    return replace(record, warnings=(*record.warnings, *permit)) if permit else record


def _permit_warnings(record: Record, *, named: bool) -> tuple[str, ...]:
    """Return what is to be known of a residence permit, told by its name or by its number; the two may disagree."""
    told = record.id_number is not None and record.id_number.reveal().startswith(PERMITS)
    odd = ("permit_number",) if named and record.id_number is not None and not told else ()
    return ("residence_permit", *odd) if named or told else ()


def _rejected(record: Record, column: str, problem: str) -> RejectedRow:
    return RejectedRow(record, Outcome.REJECTED, Reason.BAD_DATA, column, problem)


def _record(file: str, number: int, row: Sequence[str], columns: Columns, media_keys: Mapping[str, str]) -> Record:
    told: dict[str, Any] = {
        field: _clean(columns.value(row, field)) for field in columns.places if field in _AS_IT_STANDS
    }
    told |= {field: "" for field in _GROUNDS if told.get(field) in _NO_GROUND}
    customer_no = _clean(columns.value(row, "customer_no"))
    told |= _keys(row, columns, media_keys, {**told, "customer_no": customer_no})
    problems: list[tuple[str, str]] = []
    warnings: tuple[str, ...] = ()
    for column, check in (("name", check_name), ("id_number", check_number)):
        raw = columns.value(row, column)
        if isinstance(raw, FromNumber) or _ROUNDED.fullmatch(raw):
            problems.append((column, _LOST))
        elif len(raw) <= MOST_TEXT and raw and not raw.isspace():  # what is longer is refused as such
            found = check(raw)
            warnings += found.warnings
            if found.problem:
                problems.append((column, found.problem))
            else:
                told[column] = Personal(found.text)
    return Record(file, number, Personal(customer_no), problems=tuple(problems), warnings=warnings, **told)


def _keys(
    row: Sequence[str], columns: Columns, media_keys: Mapping[str, str], told: Mapping[str, str]
) -> dict[str, Personal[str]]:
    found = {field: columns.value(row, field).strip() for field in _KEYS if field in columns.places}
    for field, template in media_keys.items():
        if not found.get(field):
            found[field] = template.format_map({name: told.get(name, "") for name in TEMPLATE_FIELDS})
    return {field: Personal(key) for field, key in found.items() if key}


def _unsound_column(row: Sequence[str], columns: Columns) -> tuple[str, str] | None:
    """Return the first recognised column whose text can't be carried on, and why; names and numbers have own rules."""
    key = columns.value(row, "customer_no")
    if not 0 < len(key.strip()) <= MOST_KEY:
        return "customer_no", f"empty, or longer than {MOST_KEY} characters"
    if (isinstance(key, FromNumber) and not key.isdecimal()) or _ROUNDED.fullmatch(key):
        return "customer_no", _LOST
    if not key.strip().isprintable() or "\ufffd" in key:
        return "customer_no", _BROKEN
    for field, place in columns.places.items():
        if len(row[place]) > MOST_TEXT:
            return field, f"longer than {MOST_TEXT} characters"
        if field not in _OWN_RULES and _CONTROLS.search(row[place]):
            return field, _BROKEN
    return None


@lru_cache(maxsize=256)
def _kind(id_type: str) -> str:
    plain = unicodedata.normalize("NFKC", id_type).casefold().replace(" ", "").replace("_", "")
    return _CODE_BEFORE.sub("", plain)


def _clean(text: str) -> str:
    """Return text on one line, without what a table or a page could stumble over, and no longer than needed."""
    if text.isprintable():
        return text.strip()[:MOST_TEXT]
    return "".join(letter for letter in " ".join(text[:MOST_TEXT].split()) if letter.isprintable())
