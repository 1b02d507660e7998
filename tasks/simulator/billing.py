"""What an answered call costs the simulated account: packages first, then the month's tier (reference 6.1)."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

CHINA: Final = ZoneInfo("Asia/Shanghai")
DEFAULT: Final[dict[str, Any]] = {
    "tier": [
        {"family": "two_factor", "from_calls": 0, "price": "0.50"},
        {"family": "three_factor", "from_calls": 0, "price": "0.90"},
    ]
}


@dataclass(slots=True)
class Bill:
    """Counts calls of a month and what packages have left."""

    tiers: dict[str, list[tuple[int, Decimal]]]
    packages: list[dict[str, Any]]
    package_calls_count: bool = False
    one_price_a_month: bool = False
    _months: Counter[tuple[str, str]] = field(default_factory=Counter)
    _used: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, price_file: Path | None) -> Bill:
        """Return a bill by a price file in the form of ``configs/prices``, or by invented prices."""
        data = tomllib.loads(price_file.read_text(encoding="utf-8")) if price_file else DEFAULT
        tiers: dict[str, list[tuple[int, Decimal]]] = {}
        for row in data["tier"]:
            tiers.setdefault(row["family"], []).append((int(row["from_calls"]), Decimal(str(row["price"]))))
        packages = sorted(data.get("package", []), key=lambda row: (row["expires"], row["bought"], row["id"]))
        counted = bool(data.get("package_calls_count_for_tiers", False))
        whole = data.get("tier_price_applies_to", "inside") == "all"
        return cls({family: sorted(rows) for family, rows in tiers.items()}, packages, counted, whole)

    def charge(self, family: str, region: str, at_us: int) -> tuple[str, str]:
        """Bill one call, and return its price as text and the package it drew on (then its price is 0)."""
        at = dt.datetime.fromtimestamp(at_us / 1_000_000, tz=CHINA)
        month = (at.strftime("%Y-%m"), family)
        for package in self.packages:
            if self._covers(package, family, region, at.date()):
                self._used[package["id"]] += 1
                self._months[month] += self.package_calls_count
                return "0", str(package["id"])
        price = next(price for start, price in reversed(self.tiers[family]) if start <= self._months[month])
        self._months[month] += 1
        return str(price), ""

    def final(self, month: str, family: str, price: Decimal) -> Decimal:
        """Return what a call of a month costs on the bill: where one price holds for all, that of the tier reached."""
        if not self.one_price_a_month or not price:
            return price
        reached = max(self._months[month, family] - 1, 0)
        return next(found for start, found in reversed(self.tiers[family]) if start <= reached)

    def remember(self, family: str, at_us: int, package: str) -> None:
        """Count a call that was billed before this process started."""
        month = dt.datetime.fromtimestamp(at_us / 1_000_000, tz=CHINA).strftime("%Y-%m")
        if package:
            self._used[package] += 1
        if not package or self.package_calls_count:
            self._months[month, family] += 1

    def left(self) -> dict[str, int]:
        """Return what each package has left."""
        return {str(package["id"]): int(package["calls"]) - self._used[package["id"]] for package in self.packages}

    def _covers(self, package: dict[str, Any], family: str, region: str, on: dt.date) -> bool:
        fits = package["family"] == family and package["region"] == region
        left = int(package["calls"]) - self._used[package["id"]]
        return bool(fits and left > 0 and package["bought"] <= on < package["expires"])
