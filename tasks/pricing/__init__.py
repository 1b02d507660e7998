"""What a call costs: prices are a data file with source and validity; money is Decimal."""

from tasks.pricing.estimate import Estimate, estimate
from tasks.pricing.prices import PriceError, PriceList, load_prices, month_of

__all__ = ["Estimate", "PriceError", "PriceList", "estimate", "load_prices", "month_of"]
