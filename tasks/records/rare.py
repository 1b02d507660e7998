"""Private-use characters in names: the standard character each probably stands for, for a person to confirm."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).resolve().parents[2] / "configs" / "characters" / "private_use.toml"


PROPOSED: Final = "->"


def proposals(name: str) -> tuple[str, ...]:
    """Return what is proposed for the private-use characters of a name: ``U+E81E->U+9FB4``, or ``U+E000->?``."""
    return tuple(dict.fromkeys(_proposal(ord(letter)) for letter in name if _is_private(ord(letter))))


def hint(name: str) -> str:
    """Return what people need to mend a name: ``U+E81E -> U+9FB4 龴``; empty where it has no private-use character.

    Of a name with several only their number is told: all of them could be the name.
    """
    rare = [letter for letter in name if _is_private(ord(letter))]
    if len(rare) != 1:
        return f"{len(rare)} private-use characters" if rare else ""
    private, _, standard = _proposal(ord(rare[0])).partition(PROPOSED)
    letter = "" if standard == "?" else f" {chr(int(standard.removeprefix('U+'), 16))}"
    return f"{private} {PROPOSED} {standard}{letter}"


@lru_cache(maxsize=1)
def standard_characters() -> Mapping[int, int]:
    """Return the table of `configs/characters`: private-use code point to standard code point."""
    with TABLE.open("rb") as file:
        told = tomllib.load(file)["characters"]
    return {int(private, 16): int(standard, 16) for private, standard in told.items()}


def _proposal(code: int) -> str:
    standard = standard_characters().get(code)
    return f"U+{code:04X}{PROPOSED}" + (f"U+{standard:04X}" if standard else "?")


def _is_private(code: int) -> bool:
    return 0xE000 <= code <= 0xF8FF or code >= 0xF0000
