"""What a plan will cost: at least, likely, and in the worst case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.pricing.prices import PriceList


@dataclass(frozen=True, slots=True)
class Estimate:
    """Money of a plan, in millionths.

    `minimum` is nothing: every call may be refused without charge. `likely` prices each call at the month's tier as it
    stands, `worst` at the highest tier that can apply.
    """

    minimum: int
    likely: int
    worst: int


def estimate(prices: PriceList, calls: Mapping[str, int], month_so_far: Mapping[str, int]) -> Estimate:
    """Price `calls` by family, in a month that has billed `month_so_far` by family."""
    likely = sum(_likely(prices, family, count, month_so_far.get(family, 0)) for family, count in calls.items())
    worst = sum(prices.worst(family) * count for family, count in calls.items())
    return Estimate(0, likely, worst)


def _likely(prices: PriceList, family: str, count: int, so_far: int) -> int:
    total, at, left = 0, so_far, count
    while left:
        step = min(left, _until_next_tier(prices, family, at, left))
        total += step * prices.at(family, at)
        at, left = at + step, left - step
    return total


def _until_next_tier(prices: PriceList, family: str, at: int, left: int) -> int:
    bounds = next(found for of, found in prices.bounds.items() if of == family)
    return next((bound - at for bound in bounds if bound > at), left)
