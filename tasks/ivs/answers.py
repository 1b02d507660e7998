"""What is known of a call whose sending began: one row of the table of answers (design section 4)."""

from __future__ import annotations

import email.utils
import re
import time
from dataclasses import dataclass, replace
from typing import Final, Literal

import httpx

from tasks.ivs.codes import (
    ANOTHERS_UUID,
    MISSING,
    NOT_OF_IVS,
    UNKNOWN_REFUSAL,
    UNREADABLE,
    CodeRule,
    refusal_rule,
    verdict_rule,
)
from tasks.ivs.messages import IdCard, error_of, short, verdict_of

MOST_BYTES: Final = 16_777_216
"""Answers over this are not read to their end."""

_LIMIT: Final = re.compile(r"limit:\s*(\d+)\s*,\s*time:\s*(\d+)\s*(second|minute|hour|day)")
_SECONDS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a call whose sending began.

    `kind` and `charge` are the two axes; `rule` is the row of the code table that applies.
    """

    kind: Literal["verdict", "refusal", "unreadable", "missing"]
    charge: Literal["none", "certain", "possible"]
    rule: CodeRule
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    limit_hint: tuple[int, float] | None = None
    verification_code: str | None = None
    verification_result: str | None = None
    similarity: str | None = None
    alive: bool | None = None
    idcard: IdCard | None = None


NO_ANSWER: Final = Answer("missing", "possible", MISSING)


def answer_of(status: int | None, content: bytes, uuid: str, headers: httpx.Headers | None = None) -> Answer:
    """Return the row for a status line and what came behind it; a status alone decides where the rest was lost."""
    if status is None:
        return NO_ANSWER
    headers = headers or httpx.Headers()
    if status == 200:
        return replace(_of_200(content, uuid), request_id=short(headers.get("X-Request-Id")))
    return _of_error(status, content, headers)


def _of_200(content: bytes, uuid: str) -> Answer:
    verdict = verdict_of(content)
    if verdict is None:
        return Answer("unreadable", "certain", UNREADABLE, status=200, code=error_of(content)[0])
    if verdict.uuid != uuid:
        return Answer("unreadable", "certain", ANOTHERS_UUID, status=200)
    return Answer(
        "verdict",
        "certain",
        verdict_rule(verdict.code, verdict.result),
        status=200,
        verification_code=verdict.code,
        verification_result=verdict.result,
        similarity=verdict.similarity,
        alive=verdict.alive,
        idcard=verdict.idcard,
    )


def _of_error(status: int, content: bytes, headers: httpx.Headers) -> Answer:
    code, message, inner_id = error_of(content)
    if code == str(status):
        code = None  # a code that only repeats the status says nothing more
    rule = _rule(code, status)
    doubtful = rule.doubt
    return Answer(
        "missing" if doubtful else "refusal",
        "possible" if doubtful else "none",
        rule,
        status=status,
        code=code,
        request_id=short(headers.get("X-Request-Id")) or inner_id,
        retry_after_s=_retry_after(headers.get("Retry-After")),
        limit_hint=_limit(message),
    )


def _rule(code: str | None, status: int) -> CodeRule:
    rule = refusal_rule(code, status)
    if rule is not None:
        return rule
    if not 200 <= status < 500:
        return MISSING
    return _unknown_4xx(status) if status >= 400 else NOT_OF_IVS


def _unknown_4xx(status: int) -> CodeRule:
    """Return the rule where nobody knows the code: a refusal, not retried, unless its status stops or throttles."""
    plain = refusal_rule(None, status)
    if plain is not None and (plain.final == "run" or status == 429):
        return plain
    return UNKNOWN_REFUSAL


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After``, given as seconds or as an HTTP date; None where there is none."""
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _limit(message: str) -> tuple[int, float] | None:
    found = _LIMIT.search(message)
    if not found or int(found[2]) == 0:
        return None
    return int(found[1]), int(found[2]) * _SECONDS[found[3]]
