"""How runs are called in Prefect: flow, profile, business date, and the size as soon as it is known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, cast
from zoneinfo import ZoneInfo

from prefect import get_client
from prefect.runtime import flow_run
from pydantic import BaseModel

from flows.forms import words
from flows.telling import told
from tasks.ledger import RunRow
from tasks.settings import ProfileError, load_profile


def today(zone: ZoneInfo) -> dt.date:
    """Return tonight's business date: of the moment at which this flow run was to start, however late it does."""
    return cast("dt.datetime", flow_run.scheduled_start_time).astimezone(zone).date()


def run_name() -> str:
    """Return a run's first name, from what its form says."""
    asked = _asked(flow_run.parameters)
    limit = words("form.first", count=asked["limit"]) if asked.get("limit") else None
    parts = (flow_run.flow_name, asked.get("profile"), _date(asked), asked.get("run_id"), limit)
    return " · ".join(str(part) for part in parts if part)


async def call_it(run: RunRow, records: int) -> None:
    """Name this flow run after the run it serves, and its size."""
    sequence = f" #{run.sequence}" if run.sequence > 1 else ""
    size = f"{records:,} {words('form.size')}"
    name = f"{flow_run.flow_name} · {run.profile} · {run.business_date}{sequence} · {size}"
    if flow_run.id:
        async with get_client() as client:
            await told(client.update_flow_run(flow_run.id, name=name))


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a form's fields, whether it came as a model, as a mapping, or field by field."""
    form = next((one for one in given.values() if isinstance(one, dict | BaseModel)), given)
    return form.model_dump() if isinstance(form, BaseModel) else dict(form)


def _date(asked: Mapping[str, Any]) -> dt.date | str | None:
    if asked.get("business_date") or "business_date" not in asked:
        return cast("dt.date | str | None", asked.get("business_date"))
    try:
        return today(load_profile(asked["profile"]).zone)
    except ProfileError:
        return None
