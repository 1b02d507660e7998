"""Names (reference 7.2): normalised once, for comparing and for the call; what the registry keeps apart stays apart."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

DOT: Final = "\u00b7"
MOST: Final = 64
_DOTS: Final = "\u2022\u30fb\u2027\u002e\uff0e\u25cf"
_HAN: Final = r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\ue000-\uf8ff\U000f0000-\U0010ffff]"
_DOT_BETWEEN: Final = re.compile(f"(?<={_HAN})[{re.escape(_DOTS)}](?={_HAN})")
_DROPPED: Final = dict.fromkeys(map(ord, " \u3000\u00a0\u200b\u200c\u200d\u2060\ufeff"))


@dataclass(frozen=True, slots=True)
class Name:
    """A name in the form that is sent, with what is odd about it; or why it can't be one."""

    text: str
    problem: str = ""
    warnings: tuple[str, ...] = ()


def check_name(raw: str) -> Name:
    """Return a name normalised (NFC, blanks and zero-width characters dropped, middle dots) and checked."""
    if any(_is_control(letter) for letter in raw.strip()):
        return Name("", "control characters or broken encoding")
    text = _inner_blanks(unicodedata.normalize("NFC", raw.strip()))
    text = _DOT_BETWEEN.sub(DOT, text)
    if not text:
        return Name("", "empty")
    if len(text) > MOST:
        return Name("", f"longer than {MOST} characters")
    return Name(text, "", ("rare_name",) if any(_is_private(letter) for letter in text) else ())


def _inner_blanks(text: str) -> str:
    """Drop blanks; between Latin words they are part of the name and stay single."""
    if any(re.match(_HAN, letter) for letter in text):
        return text.translate(_DROPPED)
    return " ".join(text.translate(dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))).split())


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cs"} or letter == "\ufffd"


def _is_private(letter: str) -> bool:
    return unicodedata.category(letter) == "Co"
