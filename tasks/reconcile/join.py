"""The plan's rows joined with the ledger: every input row gets exactly one result row. Pure: rows in, rows out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.ledger.ends import deciding, written_off
from tasks.records import CHANNEL, PAID_ANSWERS, Outcome, Reason
from tasks.records.money import from_micros
from tasks.text import Text

Call = Any
_COPIED: Final = (
    "record_ref", "source_file", "source_row", "customer_no", "name_masked", "id_type", "id_masked", "id_valid_to",
    "id_expiry_status", "org_code", "risk_level", "check_reason", "required_check", "performed_check", "rule",
    "rule_version", "duplicate_of", "previous_outcome", "previous_at", "legal_basis", "consent_ref",
    "cost_centre", "media_note", "conflict_with",
)  # fmt: skip
_TOLD_SINCE: Final = ("warnings", "name_hint")
"""Columns that a plan staged by an older version does not have."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run's join needs besides rows and calls."""

    run_id: str
    business_date: dt.date
    revision: int
    stop: str
    reverify_days: Mapping[Outcome, int]
    text: Text


@dataclass(slots=True)
class End:
    """How one row ended."""

    outcome: str
    verdict: str = ""
    reason: str = ""
    reason_column: str = ""
    reason_detail: str = ""
    code: str = ""
    at: str = ""
    call: Call | None = None
    calls: list[Call] = field(default_factory=list)
    points_to: str = ""
    relied_on_run: str = ""
    voided: bool = False


def end_of(row: Mapping[str, Any], calls: list[Call], unsent: Call | None, stop: str, other: Call | None = None) -> End:
    """Return how a planned row ended.

    Args:
        row: the planned row.
        calls: the run's calls for it, oldest first.
        unsent: what is written of it where no call of the run decided.
        stop: why the run stopped.
        other: the other run's call that `unsent` points to.
    """
    disposition = str(row["disposition"])
    if disposition == "reused":
        at, code = str(row["relied_on_at"]), str(row["relied_on_code"])
        return End(Outcome.REUSED, verdict=str(row["relied_on_outcome"]), code=code, at=at)
    if disposition == "duplicate":
        return End(Outcome.DUPLICATE)
    if disposition != "ask":
        where, detail = str(row["reason_column"]), str(row.get("reason_detail", ""))
        return End(disposition, reason=str(row["reason"]), reason_column=where, reason_detail=detail)
    return _end_of_asked(calls, unsent, stop, other)


def result_row(row: Mapping[str, Any], end: End, facts: Facts) -> dict[str, Any]:
    """Return a row of the results table, with `conflict_with` and `name_hint` besides, which only exceptions tell."""
    charge, micros = charge_of(end.calls)
    call = end.call
    due = next_due(end, facts.reverify_days)
    result: dict[str, Any] = {name: row[name] for name in _COPIED}
    result.update({name: row.get(name, "") for name in _TOLD_SINCE})
    result.update(
        run_id=facts.run_id,
        business_date=facts.business_date.isoformat(),
        channel=CHANNEL,
        outcome=str(end.outcome),
        outcome_label=facts.text(f"outcome.{end.outcome}"),
        verdict=end.verdict,
        reason=end.reason,
        reason_column=end.reason_column,
        reason_detail=end.reason_detail,
        provider_code=end.code,
        similarity=call.similarity if call else "",
        verified_at="" if end.reason == Reason.WRITTEN_OFF else end.at,
        changed=_changed(end.verdict, str(row["previous_outcome"])),
        ocr_name_match=call.ocr_name_match if call else "",
        ocr_id_match=call.ocr_id_match if call else "",
        relied_on_run=end.relied_on_run or row["relied_on_run"],
        call_id=call.call_id if call else end.points_to or str(row["relied_on_call"]),
        request_id=call.request_id if call else "",
        charge=charge,
        amount=str(from_micros(micros)),
        next_due=facts.business_date.isoformat() if end.voided and due else due,
        revision=facts.revision,
        voided="yes" if end.voided else "no",
    )
    return result


def charge_of(calls: Iterable[Call]) -> tuple[str, int]:
    """Return the strongest charge among a record's calls, and the money of all of them (millionths)."""
    charges = {call.charge for call in calls}
    strongest = next((charge for charge in ("certain", "possible") if charge in charges), "none")
    return strongest, sum(call.price_micros for call in calls if call.charge != "none")


def next_due(end: End, reverify_days: Mapping[Outcome, int]) -> str:
    """Return the date from which the person is asked again, or an empty text."""
    if end.verdict not in PAID_ANSWERS or not end.at:
        return ""
    days = reverify_days.get(Outcome(end.verdict), 0)
    return (dt.date.fromisoformat(end.at[:10]) + dt.timedelta(days=days)).isoformat()


def _end_of_asked(calls: list[Call], unsent: Call | None, stop: str, other: Call | None) -> End:
    last = deciding(calls, unsent)
    if last is None:
        return End(Outcome.NOT_ATTEMPTED, reason=stop or Reason.CANCELLED.value, calls=calls)
    end = _end_by_note(last, other) if last is unsent else _end_by_call(last)
    end.calls = calls
    return end


def _end_by_call(call: Call) -> End:
    code = call.verification_code or call.code
    if not call.outcome:
        return End(Outcome.IN_DOUBT, code=call.code, call=call)
    verdict = call.outcome if call.outcome in PAID_ANSWERS else ""
    reason = Reason.WRITTEN_OFF.value if written_off(call) else ""
    return End(call.outcome, verdict, reason=reason, code=code, at=_iso(call.ended_us), call=call)


def _end_by_note(unsent: Call, other: Call | None) -> End:
    """Return the end of a record that was not asked: by its own reason, or by another's call as that stands now."""
    if other is None or other.open or other.outcome not in PAID_ANSWERS:
        where = {"reason_column": unsent.reason_column, "reason_detail": unsent.reason_detail}
        return End(unsent.outcome, reason=unsent.reason, points_to=unsent.open_call, **where)
    relied = End(
        Outcome.REUSED,
        other.outcome,
        code=other.verification_code or other.code,
        at=_iso(other.ended_us),
        points_to=other.call_id,
        relied_on_run=other.run_id,
    )
    if written_off(other):
        relied.outcome, relied.reason = Outcome.FAILED, Reason.WRITTEN_OFF.value
    return relied


def _changed(verdict: str, previous: str) -> str:
    if not previous or not verdict:
        return ""
    return "no" if verdict == previous else "yes"


def _iso(at_us: int | None) -> str:
    if at_us is None:
        return ""
    return dt.datetime.fromtimestamp(at_us // 1_000_000, tz=dt.UTC).isoformat().replace("+00:00", "Z")
