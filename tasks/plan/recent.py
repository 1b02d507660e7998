"""How many rows a profile's nights usually have, from the plans in the ledger."""

from __future__ import annotations

import datetime as dt

from tasks.ledger.runs import plan_of
from tasks.runtime import Runtime


def recent_rows(runtime: Runtime, before: dt.date, nights: int) -> list[int]:
    """Return the rows of the last nights before a date, newest first: one number a night, pilots left out."""
    profile = runtime.profile
    found: dict[dt.date, int] = {}
    for run in runtime.ledger.runs(profile.name, most=4 * nights):  # newest first
        plan = plan_of(run)
        if run.source == profile.source.records and run.business_date < before and not plan.get("limit"):
            found.setdefault(run.business_date, plan["records"])
    return [found[night] for night in sorted(found, reverse=True)[:nights]]
