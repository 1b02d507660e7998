"""Prices: tiers by month and family, worst cases, and files that can't be used."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pricing import PriceError, PriceList, estimate, load_prices, month_of
from tasks.records.money import from_micros, to_micros
from tasks.settings.load import CONFIGS

HEAD = 'version = "v"\ncurrency = "CNY"\nsource = "s"\nvalid_from = 2026-01-01\nvalid_to = 2027-01-01\n'
ON = dt.date(2026, 6, 1)


def tier(family: str, start: int, price: str) -> str:
    return f'[[tier]]\nfamily = "{family}"\nfrom_calls = {start}\nprice = "{price}"\n'


GOOD = HEAD + tier("two_factor", 0, "0.50") + tier("two_factor", 10, "0.40") + tier("three_factor", 0, "0.90")


def loaded(tmp_path: Path, text: str = GOOD, on: dt.date = ON) -> PriceList:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return load_prices(path, on)


def test_each_call_costs_the_tier_the_month_stands_in(tmp_path: Path) -> None:
    prices = loaded(tmp_path)
    assert [prices.at("two_factor", so_far) for so_far in (0, 9, 10, 11)] == [500_000, 500_000, 400_000, 400_000]
    assert prices.worst("two_factor") == 500_000


def test_an_estimate_crosses_tiers_and_its_worst_case_does_not(tmp_path: Path) -> None:
    prices = loaded(tmp_path)
    priced = estimate(prices, {"two_factor": 6, "three_factor": 2}, {"two_factor": 7})
    assert (priced.minimum, priced.likely, priced.worst) == (0, 3 * 500_000 + 3 * 400_000 + 1_800_000, 4_800_000)


@given(st.integers(0, 30), st.integers(0, 30))
def test_an_estimate_is_the_sum_of_its_calls(so_far: int, count: int) -> None:
    prices = load_prices(CONFIGS / "prices" / "invented.toml", ON)
    slowly = sum(prices.at("two_factor", so_far + place) for place in range(count))
    assert estimate(prices, {"two_factor": count}, {"two_factor": so_far}).likely == slowly


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "version"),
        (GOOD + "colour = 1\n", "colour"),
        (HEAD + tier("two_factor", 0, "0.5"), "three_factor has no tier"),
        (HEAD + tier("two_factor", 5, "0.5") + tier("three_factor", 0, "1"), "two_factor has no tier from 0"),
        (GOOD.replace('"0.50"', '"0.1234567"'), "price"),
        ("=", "not TOML"),
    ],
)
def test_a_file_that_can_not_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PriceError, match="prices.toml") as told:
        loaded(tmp_path, text)
    assert said in str(told.value)


@pytest.mark.parametrize("on", [dt.date(2025, 12, 31), dt.date(2027, 1, 1)])
def test_prices_hold_only_between_their_dates(tmp_path: Path, on: dt.date) -> None:
    with pytest.raises(PriceError, match="valid from 2026-01-01"):
        loaded(tmp_path, GOOD, on)


def test_a_missing_file_says_where_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriceError, match="money.price_file"):
        load_prices(tmp_path / "none.toml", ON)


def test_months_are_the_providers() -> None:
    midnight = int(dt.datetime(2026, 12, 31, 16, tzinfo=dt.UTC).timestamp() * 1_000_000)
    assert (month_of(midnight - 1), month_of(midnight)) == ("2026-12", "2027-01")


@given(st.decimals(min_value=0, max_value=10**9, places=6))
def test_money_goes_through_millionths_unchanged(amount: Decimal) -> None:
    assert from_micros(to_micros(amount)) == amount


def test_money_is_told_with_two_decimals_or_more() -> None:
    assert [str(from_micros(n)) for n in (0, 500_000, 1_234_500, 100_000_000)] == ["0.00", "0.50", "1.2345", "100.00"]
    with pytest.raises(ValueError, match="six decimals"):
        to_micros(Decimal("0.0000001"))
