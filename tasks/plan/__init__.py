"""The plan: what will be asked, in chunks, with its price; claimed once, under a hash that approval is bound to."""

from tasks.plan.make import PlanKey, load_or_make
from tasks.plan.recent import recent_rows

__all__ = ["PlanKey", "load_or_make", "recent_rows"]
