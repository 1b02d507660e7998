"""Which check a record gets: by the policy table, never a lesser one than was required."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.records import OPERATIONS, Operation, Outcome, Reason, Record
from tasks.records.numbers import birth_date
from tasks.settings import Policy

Kept = tuple[Outcome, Reason, str]
"""Why a record is not asked: what becomes of it, the reason, and the column concerned."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The check a record gets and the rule that decided; or why it is kept back."""

    check: Operation
    rule: str
    kept_back: Kept | None = None


def required_check(record: Record, policy: Policy) -> tuple[Operation, str]:
    """Return the check that policy requires of a record, and the name of the rule that says so.

    A check named in the row is obeyed where the profile allows rows to name one; then the first fitting rule decides;
    then the default.
    """
    if policy.obey_required_check and record.required_check in set(Operation):
        return Operation(record.required_check), "row"
    for rule in policy.rules:
        fits = not rule.risk_level or record.risk_level in rule.risk_level
        if fits and all(_brings(record, kind) for kind in rule.needs):
            return rule.check, rule.name
    return policy.default_check, "default"


def choose(record: Record, policy: Policy, on: dt.date) -> Choice:
    """Return the record's check, or why it is withheld or rejected."""
    check, rule = required_check(record, policy)
    return Choice(check, rule, _kept_back(record, check, policy, on))


def _kept_back(record: Record, check: Operation, policy: Policy, on: dt.date) -> Kept | None:
    return next(_reasons(record, check, policy, on), None)


def _reasons(record: Record, check: Operation, policy: Policy, on: dt.date) -> Iterator[Kept]:
    """Yield why a record is not asked: outcome, reason, and the column concerned; the first counts."""
    facts = OPERATIONS[check]
    if facts.video and not policy.video_checks:
        yield Outcome.REJECTED, Reason.BAD_DATA, "required_check"
    if facts.card and "residence_permit" in record.warnings:  # its data are given as text only (reference 1.4)
        yield Outcome.REJECTED, Reason.UNSUPPORTED_DOCUMENT, "id_type"
    if column := unfit_column(record, check):
        yield Outcome.REJECTED, Reason.BAD_DATA, column
    if policy.withhold_rare_names and "rare_name" in record.warnings:
        yield Outcome.WITHHELD, Reason.RARE_NAME, "name"
    if policy.require_legal_basis and not (record.purpose and record.legal_basis):
        yield Outcome.WITHHELD, Reason.NO_LEGAL_BASIS, "legal_basis"
    if policy.minimum_age and _too_young(record, policy.minimum_age, on):
        yield Outcome.WITHHELD, Reason.MINOR, "id_number"


def unfit_column(record: Record, check: Operation) -> str:
    """Return the first column that a check needs and the record can't fill, or an empty text."""
    facts = OPERATIONS[check]
    needed = {
        "name": (facts.text, record.name),
        "id_number": (facts.text, record.id_number),
        "card_front_key": (facts.card, record.card_front_key),
        "face_key": (facts.face, record.face_key),
        "video_key": (facts.video, record.video_key),
    }
    return next((column for column, (needs, value) in needed.items() if needs and not value), "")


def _too_young(record: Record, minimum_age: int, on: dt.date) -> bool:
    born = birth_date(record.id_number.reveal()) if record.id_number else None
    if born is None:
        return False
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return age < minimum_age


def _brings(record: Record, kind: str) -> bool:
    key = {"face": record.face_key, "card": record.card_front_key, "video": record.video_key}[kind]
    return bool(key)
