"""Decisions in any order keep every row in every revision and pay for nothing that nobody decided; see `any_order`."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.flows.any_order import Story
from tests.nights import Nights

SEEDS = range(*map(int, os.environ.get("ANY_ORDER", "1 4").split()))


@pytest.mark.parametrize("seed", SEEDS)
def test_decisions_in_any_order_lose_no_row_and_pay_for_nothing_undecided(
    nights: Callable[..., Nights], seed: int, figure: Callable[[str], None]
) -> None:
    story = Story(nights(limits={"in_flight": 1, "breaker": {"in_a_row": 100, "in_a_run": 1_000}}), seed)
    story.play(8)
    figure(f"decisions in any order, seed {seed}: {dict(story.done)} {story.night.judge()}")
