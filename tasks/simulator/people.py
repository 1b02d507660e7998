"""Who is in the simulated registry, and what is answered about them.

Everyone but the test identities below is answered by a keyed rule on name and 18-digit number, so that a second run
gives the same answers: of 1,000 people 930 are in order, 40 don't belong to their number, 20 are not found, and 10 have
no photo (told by three-factor checks only; a two-factor check finds them in order).

All test identities have birth years before 1900.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

_KEY: Final = b"ivs-simulator"
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Identity:
    """A test identity and its effect: a verification code, an error code, or a named way to fail."""

    name: str
    number: str
    effect: str


def with_check(body: str) -> str:
    """Return 17 digits with their check character (GB 11643)."""
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


def number_18(number: str) -> str:
    """Return a number in its 18-digit form."""
    return with_check(f"{number[:6]}19{number[6:]}") if len(number) == 15 else number.upper()


def _fixed(place: int, name: str, effect: str) -> Identity:
    return Identity(name, with_check(f"44052418800101{place:03d}"), effect)


FIXED: Final[tuple[Identity, ...]] = (
    _fixed(1, "张三", "1000"),
    _fixed(2, "李不符", "2001"),
    _fixed(3, "王异貌", "2002"),
    _fixed(4, "赵模糊", "2003"),
    _fixed(5, "孙无照", "2006"),
    _fixed(6, "周无号", "3001"),
    _fixed(7, "吴新码", "2999"),
    _fixed(8, "郑再来", "IVS.0101 once"),
    _fixed(9, "冯常错", "IVS.0101"),
    _fixed(10, "陈断线", "reset after billing"),
    _fixed(11, "褚超时", "504"),
    _fixed(12, "卫半截", "truncated"),
    _fixed(13, "蒋乱码", "not json"),
    _fixed(14, "沈格式", "IVS.0011"),
    _fixed(15, "韩无脸", "IVS.0009"),
    _fixed(16, "杨难比", "IVS.0010"),
    _fixed(17, "朱昼夜", "by night"),
    _fixed(18, "秦错号", "wrong uuid"),
    _fixed(19, "阿依古丽·买买提", "1000"),
    _fixed(20, "尤\U00020bb7", "2001"),
    _fixed(21, "许\ue863", "2001"),
    Identity("何十五", "440524800101022", "1000"),
)

_BY_NUMBER: Final = {number_18(person.number): person for person in FIXED}


def effect_of(name: str, number: str, *, on: dt.date) -> str:
    """Return what is answered about a person: a verification code, or the effect of a test identity.

    A test identity under another name does not belong to its number (2001). ``by night`` is 1000 on odd days and 2001
    on even ones.
    """
    person = _BY_NUMBER.get(number_18(number))
    if person is None:
        return rule(name, number)
    if person.name != name:
        return "2001"
    if person.effect == "by night":
        return "1000" if on.day % 2 else "2001"
    return person.effect


def rule(name: str, number: str) -> str:
    """Return the verification code of somebody who is not a test identity."""
    digest = hmac.new(_KEY, f"{name}|{number_18(number)}".encode(), hashlib.sha256).digest()
    place = int.from_bytes(digest[:8], "big") % 1000
    for below, code in ((900, "1000"), (940, "2001"), (960, "3001"), (970, "2006")):
        if place < below:
            return code
    return "1000"


def for_family(code: str, family: str) -> str:
    """Return a verification code as a family can give it: face matters are none of a two-factor check."""
    return "1000" if family == "two_factor" and code in {"2002", "2003", "2006"} else code


def similarity(name: str, number: str, code: str, *, detail: bool) -> str:
    """Return the similarity of a three-factor answer, as text: 0 to 100, or 0 to 1000 with decimals."""
    digest = hmac.new(_KEY, f"face|{name}|{number_18(number)}".encode(), hashlib.sha256).digest()
    share = int.from_bytes(digest[:2], "big") / 65_535
    low, high = {"1000": (80.0, 99.0), "2002": (5.0, 40.0)}.get(code, (0.0, 0.0))
    value = low + (high - low) * share
    return f"{value * 10:.2f}" if detail else str(round(value))
