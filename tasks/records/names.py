"""Names (reference 7.2): normalised once, for comparing and for the call; what the registry keeps apart stays apart.

Unicode's NFC would replace compatibility ideographs (a name in U+F92C would be sent as another character), so it is
applied only to what stands between them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from tasks.records.rare import proposals

DOT: Final = "\u00b7"
MOST: Final = 64
_DOTS: Final = "\u2022\u30fb\u2027\u002e\uff0e\u25cf\u2219\u22c5\uff65"
_HAN: Final = r"[\u3005\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\ue000-\uf8ff\U000f0000-\U0010ffff]"
_COMPATIBLE: Final = re.compile(r"([\uf900-\ufaff\U0002f800-\U0002fa1f]+)")
_DOT_BETWEEN: Final = re.compile(f"(?<={_HAN})[{re.escape(_DOTS)}](?={_HAN})")
_BROKEN: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufffd]")
_SIGNS: Final = (
    (re.compile(r"&#?\w{1,8};|\\[ux][0-9a-fA-F]{2}"), "a character written as a code, as in a web page"),
    (
        re.compile("[?\uff1f*\uff0a\u25a1\u25a0\u3013]|\u951f\u65a4\u62f7"),
        "a mark where a character is hidden or was lost",
    ),
    (re.compile("[0-9\uff10-\uff19]"), "a digit, which no name has"),
)
"""What no registered name holds: a character's code; a mask, what systems write for a character they don't have, U+FFFD
read as GBK; a number by which a system tells namesakes apart."""

_PRIVATE: Final = re.compile("[\\u2ff0-\\u2fff\\ue000-\\uf8ff\\U000f0000-\\U000ffffd\\U00100000-\\U0010fffd]")
_HAS_HAN: Final = re.compile(_HAN)
_UNSEEN: Final = dict.fromkeys(
    (0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
)
_DROPPED: Final = _UNSEEN | dict.fromkeys(map(ord, " \u3000\u00a0\u2002\u2003\u2009\u202f"))


@dataclass(frozen=True, slots=True)
class Name:
    """A name in the form that is sent, with what is odd about it; or why it can't be one."""

    text: str = field(repr=False)
    problem: str = ""
    warnings: tuple[str, ...] = ()


def check_name(raw: str) -> Name:
    """Return a name normalised and checked.

    Blanks and zero-width characters are dropped, and what serves as a middle dot between two Han characters becomes
    U+00B7; nothing is converted between traditional and simplified. Characters of the private-use areas, and those that
    describe how one is composed, stay, with the warnings `rare_name` and what `rare.proposals` says; what `damage`
    finds stays with the warning `damaged_name`. Problems are control characters, NUL, lone surrogates and U+FFFD.
    """
    raw = raw.strip(" \t\r\n\u3000")
    if _BROKEN.search(raw):
        return Name("", "control characters or broken encoding")
    text = _DOT_BETWEEN.sub(DOT, _inner_blanks(_composed(raw)))
    if not text:
        return Name("", "empty")
    if len(text) > MOST:
        return Name("", f"longer than {MOST} characters")
    rare = ("rare_name", *proposals(text)) if _PRIVATE.search(text) else ()
    return Name(text, "", ("damaged_name", *rare) if damage(text) else rare)


def damage(text: str) -> str:
    """Return by what a name shows that it is not whole, or an empty text."""
    return next((said for sign, said in _SIGNS if sign.search(text)), "")


def _composed(text: str) -> str:
    """Return text in NFC, compatibility ideographs left as they are."""
    if text.isascii():
        return text
    parts = _COMPATIBLE.split(text)
    return "".join(part if odd % 2 else unicodedata.normalize("NFC", part) for odd, part in enumerate(parts))


def _inner_blanks(text: str) -> str:
    """Drop blanks; in a name without Han characters they part its words, and stay single."""
    if _HAS_HAN.search(text):
        return text.translate(_DROPPED)
    return " ".join(text.translate(_UNSEEN).split())
