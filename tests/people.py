"""Invented people, with birth years before 1900."""

from __future__ import annotations

import random

from tasks.simulator.people import FIXED, rule, with_check

GIVEN = "文景德修承志远山清和秉仁子安伯言仲平季明守真怀瑾若谷克勤敬之以诚道临长庚鹤年松龄"


def invented(count: int, seed: int = 1, code: str = "1000") -> list[tuple[str, str]]:
    """Return people whom the twin's keyed rule answers with `code`."""
    dice = random.Random(seed)
    found: list[tuple[str, str]] = []
    for place in range(1_000_000):
        if len(found) == count:
            break
        body = f"4405{dice.randint(10, 99)}{dice.randint(1850, 1899)}{dice.randint(1, 12):02d}{dice.randint(1, 28):02d}"
        name = "王" + "".join(dice.sample(GIVEN, 2))
        number = with_check(body + f"{place % 1000:03d}")
        if rule(name, number) == code:
            found.append((name, number))
    return found


def fixed(effect: str) -> tuple[str, str]:
    """Return the test identity with an effect."""
    one = next(person for person in FIXED if person.effect == effect)
    return one.name, one.number
