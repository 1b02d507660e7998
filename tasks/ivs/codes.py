"""The code tables: the provider's facts joined with the client's policy, row by row (``configs/codes``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

CODES: Final = Path(__file__).resolve().parents[2] / "configs" / "codes"

Retry = Literal["never", "backoff", "after_new_token", "if_retry_after"]
FinalFor = Literal["record", "run", "none"]


@dataclass(frozen=True, slots=True)
class CodeRule:
    """What is done about one code: retry, finality, what the record becomes, doubt, billing, who fixes it."""

    family: str
    code: str
    status: int
    retry: Retry = "never"
    final: FinalFor = "none"
    outcome: str = ""
    doubt: bool = False
    billed: Literal["yes", "no", "possible"] = "no"
    fixed_by: str = ""
    with_token: Literal["", "after_new_token"] = ""


UNKNOWN_VERDICT: Final = CodeRule(
    "verification", "", 200, final="record", outcome="unknown_verdict", billed="yes", fixed_by="a person"
)
UNREADABLE: Final = CodeRule("wire", "unreadable", 200, final="none", billed="yes", fixed_by="a person")
ANOTHERS_UUID: Final = CodeRule("wire", "anothers_uuid", 200, final="run", billed="yes", fixed_by="service")
MISSING: Final = CodeRule("wire", "missing", 0, doubt=True, billed="possible", fixed_by="service")
NOT_OF_IVS: Final = CodeRule("wire", "not_of_ivs", 300, final="run", fixed_by="configuration")
"""Other 2xx, and redirects: what answers there is not IVS (reference 2.4)."""
UNKNOWN_REFUSAL: Final = CodeRule("wire", "unknown_4xx", 400, final="record", outcome="failed", fixed_by="a person")


@cache
def tables() -> Mapping[tuple[str, int], CodeRule]:
    """Return all rules by (code, status); plain statuses stand under an empty code."""
    rows = _rows("policy.toml")
    return {(str(row["code"]), int(row["status"])): CodeRule(**row) for row in rows}


def facts() -> list[dict[str, Any]]:
    """Return the provider's facts as they stand in their file."""
    return _rows("facts.toml")


def refusal_rule(code: str | None, status: int) -> CodeRule | None:
    """Return the rule for an answer that is not 200 and not a verdict; None where no row fits.

    A code is looked up with its status; where there is none in the body the plain status is. ``APIGW.*`` is ``APIG.*``.
    """
    known = tables()
    if not code:
        return known.get(("", status))
    return known.get((code.replace("APIGW.", "APIG."), status))


def verdict_rule(code: str, result: str = "valid") -> CodeRule:
    """Return the rule for a verification code of a 200; codes that are not in the table are `unknown_verdict`.

    So is a pass (1000) whose result is not ``valid``: nobody is `verified` by an answer at odds with itself.
    """
    rule = tables().get((code, 200), UNKNOWN_VERDICT)
    return UNKNOWN_VERDICT if rule.outcome == "verified" and result != "valid" else rule


def _rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((CODES / name).read_text(encoding="utf-8"))["code"]
    return found
