"""What an answer means: how the call ended, what becomes of the record, and what to do next. Pure rules."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from tasks.ivs.client import Answer
from tasks.ledger import Ending
from tasks.records import Outcome
from tasks.records.numbers import to_18
from tasks.settings import Limits

STATES: Final = {"verdict": "answered", "unreadable": "answered", "refusal": "refused", "missing": "in_doubt"}


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried for a record so far."""

    refused: int = 0
    throttled: int = 0
    renewed: bool = False
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Next:
    """What to do after an answer.

    `done`: the record has its outcome. `again`: a new call after `wait_s` at the earliest, with a new token first where
    `renew` says so. `give_up`: refused too often; the record is `failed`. `stop`: the whole run stops, for `reason`.
    """

    do: Literal["done", "again", "give_up", "stop"]
    wait_s: float = 0.0
    renew: bool = False
    reason: str = ""


def ending(answer: Answer, ended_us: int, *, name: str, number: str) -> Ending:
    """Return the ledger's row for an answer; OCR is compared with what the record says and then dropped."""
    return Ending(
        state=STATES[answer.kind],
        answer=answer.kind,
        charge=answer.charge,
        ended_us=ended_us,
        status=answer.status,
        code=answer.code or "",
        verification_code=answer.verification_code or "",
        verification_result=answer.verification_result or "",
        similarity=answer.similarity or "",
        request_id=answer.request_id or "",
        outcome=_outcome(answer),
        ocr_name_match=_same(answer.idcard.name.reveal() if answer.idcard else "", name),
        ocr_id_match=_same_number(answer.idcard.number.reveal() if answer.idcard else "", number),
    )


def after(answer: Answer, tries: Tries, limits: Limits) -> Next:
    """Return what to do after an answer, given what was tried before it."""
    if answer.rule.final == "run":
        return Next("stop", reason=_stop_reason(answer))
    if answer.kind != "refusal" or answer.rule.final == "record":
        return Next("done")
    if answer.rule.retry == "after_new_token":
        return Next("stop", reason="account") if tries.renewed else Next("again", renew=True)
    if not _retryable(answer) or _exhausted(answer, tries, limits):
        return Next("give_up", reason="provider")
    return Next("again", wait_s=max(answer.retry_after_s or 0.0, 0.0))


def _retryable(answer: Answer) -> bool:
    return answer.rule.retry == "backoff" or (
        answer.rule.retry == "if_retry_after" and answer.retry_after_s is not None
    )


def _exhausted(answer: Answer, tries: Tries, limits: Limits) -> bool:
    if answer.status == 429:
        return tries.elapsed_s > limits.throttled_most_s
    return tries.refused + 1 >= limits.attempts or tries.elapsed_s > limits.retry_for_s


def _stop_reason(answer: Answer) -> str:
    return "provider" if answer.kind in {"unreadable", "missing"} else "account"


def _outcome(answer: Answer) -> str:
    if answer.kind == "verdict":
        return answer.rule.outcome or Outcome.UNKNOWN_VERDICT.value
    if answer.kind == "unreadable":
        return Outcome.UNREADABLE.value
    if answer.kind == "refusal" and answer.rule.final == "record":
        return answer.rule.outcome or Outcome.FAILED.value
    return ""


def _same(seen: str, said: str) -> str:
    if not seen or not said:
        return ""
    return "match" if unicodedata.normalize("NFC", seen.strip()) == unicodedata.normalize("NFC", said) else "differs"


def _same_number(seen: str, said: str) -> str:
    if not seen or not said:
        return ""
    try:
        return "match" if to_18(seen.strip().upper()) == to_18(said) else "differs"
    except ValueError:
        return "differs"
