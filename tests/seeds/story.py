"""What happens in one seed: drawn once, from the dice, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.seeds.provider import FATAL, KINDS

PRICE = 500_000
"""What the invented price file asks for a two-factor call at most, in millionths."""


@dataclass(slots=True)
class Story:
    """One seed's settings and disturbances."""

    seed: int
    people: int
    runs: int
    rate: dict[str, int]
    token: bool
    token_life_s: float
    faces: bool
    limits: dict[str, object]
    weights: dict[str, float]
    cap_calls: int
    cap_money: int
    most_deaths: int
    dies_in_write: float
    disk_trouble: float
    disturbances: list[str] = field(default_factory=list)
    month_ends_in_s: float = 0.0
    window_s: float = 0.0


def story(seed: int) -> Story:
    """Draw a seed's story."""
    dice = Random(seed)
    people = dice.choice([1, 2, 5, 12, 12, 24, 40])
    tame = dice.random() < 0.2
    share = 0.0 if tame else dice.choice([0.05, 0.2, 0.5])
    token = dice.random() < 0.35
    kinds = dice.sample([kind for kind in KINDS if token or kind != "old_token"], dice.randint(1, 8))
    weights = {kind: share / len(kinds) for kind in kinds}
    if dice.random() < 0.08:
        weights[dice.choice(FATAL)] = 0.03
    capped = dice.random() < 0.3
    kinds_of_trouble = ["cancel", "stop", "halt", "lock_lost", "media_changed", "second_start"]
    return Story(
        seed=seed,
        people=people,
        runs=dice.choice([1, 1, 2]),
        rate={"two_factor": dice.choice([3, 7, 10, 50, 300]), "three_factor": dice.choice([3, 11, 100])},
        token=token,
        token_life_s=dice.choice([40.0, 300.0, 86_400.0]),
        faces=dice.random() < 0.3,
        limits=_limits(dice),
        weights=weights,
        cap_calls=dice.randint(1, people) if capped and dice.random() < 0.5 else 0,
        cap_money=dice.randint(0, people) * PRICE if capped else 1_000_000_000,
        most_deaths=dice.choice([0, 1, 2, 4]),
        dies_in_write=dice.choice([0.0, 0.02, 0.1]),
        disk_trouble=dice.choice([0.0, 0.0, 0.0, 0.03]),
        disturbances=dice.sample(kinds_of_trouble, dice.choice([0, 0, 1, 2])),
        month_ends_in_s=dice.uniform(0, 20) if dice.random() < 0.1 else 0.0,
        window_s=dice.uniform(1, 30) if dice.random() < 0.1 else 0.0,
    )


def _limits(dice: Random) -> dict[str, object]:
    return {
        "headroom_pct": 0,
        "shared_quota": dice.random() < 0.2,
        "in_flight": dice.choice([1, 4, 16, 64]),
        "attempts": dice.choice([1, 2, 4]),
        "retry_for_s": dice.choice([5, 60]),
        "backoff_s": 0.5,
        "backoff_most_s": dice.choice([1, 10]),
        "throttled_most_s": dice.choice([5, 120]),
        "chunk_records": dice.choice([3, 10, 100]),
        "chunks_at_once": dice.choice([1, 4]),
        "canary": {"records": dice.choice([0, 0, 3])},
        "breaker": {"in_a_row": dice.choice([2, 5, 100]), "in_a_run": dice.choice([4, 20, 1000]), "pause_s": 10},
    }
