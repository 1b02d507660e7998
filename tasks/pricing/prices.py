"""A price file, read and checked (reference 6: tiers per calendar month and family)."""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.records import Family
from tasks.records.money import to_micros

MONTHS: Final = ZoneInfo("Asia/Shanghai")
"""The zone of the provider's billing months (reference 6.5: UTC+8)."""


def month_of(at_us: int) -> str:
    """Return the billing month of a moment (microseconds since 1970), as ``YYYY-MM``."""
    return dt.datetime.fromtimestamp(at_us / 1_000_000, tz=MONTHS).strftime("%Y-%m")


class PriceError(Exception):
    """A price file can't be used: which file, which key, what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(_Part):
    """From how many calls in a month on a price holds."""

    family: Family
    from_calls: int = Field(ge=0)
    price: Decimal = Field(ge=0, decimal_places=6)


class Package(_Part):
    """A prepaid package, bound to a region and a family."""

    id: str
    family: Family
    region: str
    calls: int = Field(gt=0)
    price: Decimal = Field(ge=0)
    bought: dt.date
    expires: dt.date


class _File(_Part):
    version: str
    currency: str
    source: str
    valid_from: dt.date
    valid_to: dt.date
    package_calls_count_for_tiers: bool = False
    tier_price_applies_to: Literal["inside", "all"] = "inside"
    tier: tuple[Tier, ...]
    package: tuple[Package, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices of one file; `digest` is the file's SHA-256, which the plan's hash covers."""

    version: str
    currency: str
    source: str
    valid_from: dt.date
    valid_to: dt.date
    digest: str
    bounds: dict[Family, tuple[int, ...]]
    micros: dict[Family, tuple[int, ...]]

    def at(self, family: str, calls_so_far: int) -> int:
        """Return the price (millionths) of the next call of a month in which `calls_so_far` were billed."""
        of = Family(family)
        return self.micros[of][bisect_right(self.bounds[of], calls_so_far) - 1]

    def worst(self, family: str) -> int:
        """Return the highest price (millionths) any tier of a family can ask."""
        return max(self.micros[Family(family)])


def load_prices(path: Path, on: dt.date) -> PriceList:
    """Read a price file that is valid on a date.

    Raises:
        PriceError: missing, not in the form of ``configs/prices/invented.toml``, or not valid on that date.
    """
    try:
        raw = path.read_bytes()
        data = _File.model_validate(tomllib.loads(raw.decode("utf-8")))
    except OSError as error:
        raise PriceError(
            f"price file {path.name}: {error.strerror}: name one in the profile's money.price_file"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PriceError(f"price file {path.name}: not TOML: {error}") from None
    except ValidationError as error:
        raise PriceError(f"price file {path.name}: {_first(error)}") from None
    if not data.valid_from <= on < data.valid_to:
        raise PriceError(
            f"price file {path.name} is valid from {data.valid_from} until {data.valid_to}, "
            f"not on {on}: name a newer one"
        )
    return _checked(path.name, data, hashlib.sha256(raw).hexdigest())


def _checked(name: str, data: _File, digest: str) -> PriceList:
    by_family = {family: sorted((t for t in data.tier if t.family is family), key=_from_calls) for family in Family}
    for family, tiers in by_family.items():
        if not tiers or tiers[0].from_calls != 0:
            raise PriceError(f"price file {name}: {family} has no tier from 0 calls on")
    return PriceList(
        data.version,
        data.currency,
        data.source,
        data.valid_from,
        data.valid_to,
        digest,
        {family: tuple(tier.from_calls for tier in tiers) for family, tiers in by_family.items()},
        {family: tuple(to_micros(tier.price) for tier in tiers) for family, tiers in by_family.items()},
    )


def _from_calls(tier: Tier) -> int:
    return tier.from_calls


def _first(error: ValidationError) -> str:
    item: dict[str, Any] = dict(error.errors(include_input=False)[0])
    return f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
