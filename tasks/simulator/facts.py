"""The provider's codes, statuses and texts, from the same table of facts the whole project reads."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FACTS: Final = Path(__file__).resolve().parents[2] / "configs" / "codes" / "facts.toml"


@dataclass(frozen=True, slots=True)
class Fact:
    """One code: its family, status, text, and for verification codes the result."""

    family: str
    code: str
    status: int
    text: str
    source: str
    confirmed: bool = True
    result: str = ""


@cache
def facts() -> tuple[Fact, ...]:
    """Return all facts."""
    return tuple(Fact(**row) for row in tomllib.loads(FACTS.read_text(encoding="utf-8"))["code"])


@cache
def fact(code: str, status: int = 0) -> Fact:
    """Return the fact for a code, and a status where one code has several."""
    return next(item for item in facts() if item.code == code and status in {0, item.status})
