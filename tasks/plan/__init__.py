"""The plan: what will be asked, in chunks, with its price; claimed once, under a hash that approval is bound to."""

from tasks.plan.make import PlanKey, load_or_make

__all__ = ["PlanKey", "load_or_make"]
