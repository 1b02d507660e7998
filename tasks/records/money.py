"""Money as the ledger keeps it: whole millionths of the currency, so that databases add exactly; Decimal for people."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

MICRO: Final = 1_000_000


def to_micros(amount: Decimal) -> int:
    """Return an amount in millionths.

    Raises:
        ValueError: the amount has more than six decimals.
    """
    micros = amount * MICRO
    if micros != micros.to_integral_value():
        raise ValueError(f"{amount} has more than six decimals")
    return int(micros)


def from_micros(micros: int) -> Decimal:
    """Return millionths as an amount with two decimals, or with as many as it needs."""
    amount = Decimal(micros) / MICRO
    exact = amount.quantize(Decimal("0.01"))
    return exact if exact == amount else amount.normalize()
