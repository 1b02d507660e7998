"""Which check a record gets: by the policy table, never a lesser one than was required."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tasks.records import OPERATIONS, Family, Operation, Outcome, Reason, Record
from tasks.records.names import damage
from tasks.records.numbers import birth_date
from tasks.settings import Policy

CHECKS: Final = {check.value: check for check in Operation}
MEDIA_COLUMNS: Final = frozenset({"face_key", "card_front_key", "video_key"})
GROUNDS: Final = ("purpose", "legal_basis", "consent_ref")
FACE_AGE: Final = 14
"""Under this age a face is not processed without more."""

_EMPTY: Final = "empty"
_UNKNOWN: Final = "no word that the policy knows"

Kept = tuple[Outcome, Reason, str, str]
"""Why a record is not asked: what becomes of it, the reason, the column concerned, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The check a record gets and the rule that decided; or why it is kept back."""

    check: Operation
    rule: str
    kept_back: Kept | None = None


def required_check(record: Record, policy: Policy) -> tuple[Operation, str]:
    """Return the check that policy requires of a record, and the name of the rule that says so.

    The first fitting rule decides, then the default. Where the profile obeys checks named in rows, a named one counts,
    unless it belongs to two factors and policy requires three.
    """
    check, rule = _by_rules(record, policy)
    if not policy.obey_required_check or record.required_check not in CHECKS:
        return check, rule
    named = CHECKS[record.required_check]
    lesser = _is_three_factor(check) and not _is_three_factor(named)
    return (check, rule) if lesser else (named, "row")


def choose(record: Record, policy: Policy, on: dt.date) -> Choice:
    """Return the record's check, or why it is withheld or rejected."""
    check, rule = required_check(record, policy)
    return Choice(check, rule, next(_reasons(record, check, policy, on), None))


def with_grounds(record: Record, policy: Policy) -> Record:
    """Return the record with the profile's purpose, legal basis and consent reference where its row has none."""
    told = {name: getattr(policy, name) for name in GROUNDS if getattr(policy, name) and not getattr(record, name)}
    return replace(record, **told) if told else record


def _by_rules(record: Record, policy: Policy) -> tuple[Operation, str]:
    for rule in policy.rules:
        fits = not rule.risk_level or record.risk_level in rule.risk_level
        if fits and all(_brings(record, kind) for kind in rule.needs):
            return rule.check, rule.name
    return policy.default_check, "default"


def _reasons(record: Record, check: Operation, policy: Policy, on: dt.date) -> Iterator[Kept]:
    """Yield why a record is not asked: outcome, reason, and the column concerned; the first counts."""
    yield from _unknown_words(record, policy)
    yield from _unfit(record, check, policy)
    if policy.withhold_rare_names:
        yield from _odd_name(record)
    if lacking := _without_basis(record, check, policy):
        yield Outcome.WITHHELD, Reason.NO_LEGAL_BASIS, lacking, _EMPTY
    if young := _too_young(record, check, policy, on):
        yield Outcome.WITHHELD, Reason.MINOR, "id_number", young


def _odd_name(record: Record) -> Iterator[Kept]:
    """Yield why a name can't be what the registry has: people look at it before it is paid for."""
    if "damaged_name" in record.warnings and record.name:
        yield Outcome.WITHHELD, Reason.DAMAGED_NAME, "name", damage(record.name.reveal())
    if "rare_name" in record.warnings:
        yield Outcome.WITHHELD, Reason.RARE_NAME, "name", ""


def _unknown_words(record: Record, policy: Policy) -> Iterator[Kept]:
    """Yield columns that decide the check and say something policy doesn't know: a guess might check too little."""
    if policy.obey_required_check and record.required_check and record.required_check not in CHECKS:
        yield Outcome.REJECTED, Reason.BAD_DATA, "required_check", _UNKNOWN
    if policy.risk_levels and record.risk_level not in policy.risk_levels:
        yield Outcome.REJECTED, Reason.BAD_DATA, "risk_level", _UNKNOWN if record.risk_level else _EMPTY


def _unfit(record: Record, check: Operation, policy: Policy) -> Iterator[Kept]:
    facts = OPERATIONS[check]
    if facts.video and not policy.video_checks:
        yield Outcome.REJECTED, Reason.BAD_DATA, "required_check", "the profile has video checks off"
    if facts.card and "residence_permit" in record.warnings:  # its data are given as text only (reference 1.4)
        yield Outcome.REJECTED, Reason.UNSUPPORTED_DOCUMENT, "id_type", "a residence permit has no check by its picture"
    if lacking := unfit_column(record, check):
        reason = Reason.MEDIA_MISSING if lacking in MEDIA_COLUMNS else Reason.BAD_DATA
        yield Outcome.REJECTED, reason, lacking, dict(record.problems).get(lacking, _EMPTY)


def unfit_column(record: Record, check: Operation) -> str:
    """Return the first column that a check needs and the record can't fill, or an empty text."""
    facts = OPERATIONS[check]
    if facts.text and not record.name:
        return "name"
    if facts.text and not record.id_number:
        return "id_number"
    if facts.card and not record.card_front_key:
        return "card_front_key"
    if facts.face and not record.face_key:
        return "face_key"
    return "video_key" if facts.video and not record.video_key else ""


def _without_basis(record: Record, check: Operation, policy: Policy) -> str:
    """Return what is missing of the ground on which the person's data may be used, or an empty text."""
    faces = policy.face_law and _is_three_factor(check)
    if (faces or policy.require_legal_basis) and not record.legal_basis:
        return "legal_basis"
    if (faces or policy.require_legal_basis) and not record.purpose:
        return "purpose"
    if faces and not record.consent_ref:
        return "consent_ref"
    return "impact_assessment" if faces and not policy.impact_assessment else ""


def _too_young(record: Record, check: Operation, policy: Policy, on: dt.date) -> str:
    """Tell why a person counts as under age: where the law on faces applies, an age that nobody knows does too."""
    faces = policy.face_law and _is_three_factor(check)
    least = max(policy.minimum_age, FACE_AGE) if faces else policy.minimum_age
    if not least:
        return ""
    born = birth_date(record.id_number.reveal()) if record.id_number else None
    if born is None:
        return "an age that nobody knows" if faces else ""
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return f"younger than {least}" if age < least else ""


def _is_three_factor(check: Operation) -> bool:
    return OPERATIONS[check].family is Family.THREE_FACTOR


def _brings(record: Record, kind: str) -> bool:
    key = {"face": record.face_key, "card": record.card_front_key, "video": record.video_key}[kind]
    return bool(key)
