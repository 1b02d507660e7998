"""Resident identity numbers (reference 7.1): only length, characters, date and check digit are hard failures.

What the provider might accept is not refused here: an unknown region is a warning, a 15-digit number is accepted.
"""

from __future__ import annotations

import datetime as dt
import operator
from dataclasses import dataclass, field
from typing import Final

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"
_PROVINCES: Final = frozenset(
    f"{n}" for n in (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66))
) | {"71", "81", "82", "83"}
PERMITS: Final = ("810000", "820000", "830000")
"""What numbers of residence permits of Hong Kong, Macao and Taiwan residents begin with (general knowledge)."""

_FULL_WIDTH: Final = {0xFF10 + n: str(n) for n in range(10)} | {0xFF38: "X", 0xFF58: "X"}
_DROPPED: Final = dict.fromkeys(map(ord, " \t\u00a0\u3000\u200b\u200c\u200d\ufeff"))


@dataclass(frozen=True, slots=True)
class Number:
    """An identity number in the form that is sent, with what is odd about it; or why it can't be one."""

    text: str = field(repr=False)
    problem: str = ""
    warnings: tuple[str, ...] = ()


def check_number(raw: str) -> Number:
    """Return a number normalised (blanks and zero-width characters dropped, full-width digits, x to X) and checked.

    The apostrophe before it, by which a spreadsheet keeps it text, is dropped as well. Hyphens and anything else stay,
    and are refused: a number that has to be guessed at is not sent. Warnings are `unknown_region` (abolished codes are
    valid in old numbers), `fifteen_digits`, and `foreigner_card` for what looks like a foreigner's permanent residence
    card: whether the provider takes those is unconfirmed.
    """
    text = raw.translate(_DROPPED).translate(_FULL_WIDTH).upper().removeprefix("'")
    problem = _problem(text)
    if problem:
        return Number("", problem)
    warnings = _region_warnings(text)
    return Number(text, "", (*warnings, "fifteen_digits") if len(text) == 15 else warnings)


def _region_warnings(text: str) -> tuple[str, ...]:
    if text[0] == "9" and text[1:3] in _PROVINCES:
        return ("foreigner_card",)
    return () if text[:2] in _PROVINCES else ("unknown_region",)


def to_18(number: str) -> str:
    """Return a number in its 18-digit form; a 15-digit one gets its century and check character.

    Raises:
        ValueError: neither 15 nor 18 characters.
    """
    if len(number) == 18:
        return number
    if len(number) != 15 or not number.isdigit():
        raise ValueError("an identity number has 15 or 18 characters")
    body = f"{number[:6]}19{number[6:]}"
    return body + check_character(body)


def check_character(body: str) -> str:
    """Return the check character of the first 17 digits (ISO 7064 MOD 11-2)."""
    return _CHECKS[sum(map(operator.mul, map(int, body), _WEIGHTS)) % 11]


def birth_date(number: str) -> dt.date | None:
    """Return the birth date a number carries, or None where there is none."""
    digits = number[6:14] if len(number) == 18 else f"19{number[6:12]}" if len(number) == 15 else ""
    try:
        return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _problem(text: str) -> str:
    if len(text) not in {15, 18}:
        return "length is neither 15 nor 18"
    body = text[:-1] if len(text) == 18 else text
    if not (body.isascii() and body.isdigit()) or not (text[-1].isascii() and (text[-1].isdigit() or text[-1] == "X")):
        return "characters other than digits and a final X"
    if birth_date(text) is None:
        return "the birth date does not exist"
    if len(text) == 18 and check_character(body) != text[-1]:
        return "the check digit is wrong"
    return ""
