"""Ask again what failed or stayed without an answer, in its own run, because a person says so.

The problem it solves: a night ends, and some of its records were refused or never answered. Each was decided about, or
is by this order; their questions are asked again through the same verify, with caps, quota, gate and window, and the
run's results get their next revision. Pressed again it goes on with what is left, and asks nothing twice.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Literal

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from flows.backfill import ask, ended
from flows.close import close_run
from flows.forms import BusinessDate, Form, Name, ProfileName, Reason, RunId, words
from flows.naming import run_name, today
from flows.states import Ended, ends
from tasks.ledger import LedgerError, RunBusyError, RunRow, redrives
from tasks.ledger.budget import run_scope
from tasks.ledger.decided import Decision
from tasks.records import Family
from tasks.records.money import to_micros
from tasks.runtime import Runtime, runtime
from tasks.text import Text

Kind = Literal["failed", "resent", "in_doubt", "unreadable", "written_off"]


class Redrive(Form):
    """Which records are asked again, who orders it, and why."""

    profile: ProfileName
    run_id: RunId | None = Field(default=None, title=words("form.run"), description=words("form.run_latest"))
    outcomes: list[Kind] = Field(
        default=["failed", "resent"],
        max_length=5,
        title=words("form.outcomes"),
        description=words("form.outcomes_is"),
    )
    reason: Reason
    name: Name
    business_date: BusinessDate | None = Field(
        default=None, title=words("form.business_date"), description=words("form.caps_of")
    )


@flow(name="redrive", flow_run_name=run_name, persist_result=False)
async def redrive(order: Redrive) -> Ended:
    """Ask again what a person chose, and write the run's next revision.

    Args:
        order: 选择批次与记录，填写姓名与原因 · which records, who orders it, and why
    """
    text = Text(runtime(order.profile).profile.language)
    since_us = runtime(order.profile).ledger.clock_us()
    run_id, count, cap = await _choose_task(order)
    run = await asyncio.to_thread(runtime(order.profile).ledger.run, run_id)
    if not count:
        return ends(ended(run), text)
    on = order.business_date or today(runtime(order.profile).profile.zone)
    await ask(order.profile, run, cap, since_us, on=on, again=True)
    return ends(await close_run(order.profile, run), text)


@task(name="choose", task_run_name=words("step.choose"), persist_result=False, cache_policy=NO_CACHE)
async def _choose_task(order: Redrive) -> tuple[str, int, int]:
    return await asyncio.to_thread(choose, runtime(order.profile), order)


def choose(held: Runtime, order: Redrive) -> tuple[str, int, int]:
    """Decide about the records that are meant; return their run, how many they are, and what the run may then cost.

    The cap is what the run has booked and the worst these calls can cost, never above the profile's own.

    Raises:
        LedgerError: no such run, or it can't be asked again; see `redrives.begin`.
        RunBusyError: it is under way.
    """
    held.check_ledger()
    run = _run_of(held, order)
    if run.owner not in {"", held.ledger.owner.name} and held.ledger.owner.is_alive(run.owner):
        raise RunBusyError(f"run {run.run_id} is under way: press again when it has ended")
    decision = Decision("redrive", run.run_id, order.name, order.reason, held.ledger.clock_us())
    chosen = held.ledger.write(partial(redrives.begin, order=decision, kinds=order.outcomes))
    worst = sum(held.prices.worst(one.family) if one.family else _dearest(held) for one in chosen)
    booked = held.ledger.booked(run_scope(run.run_id))
    so_far = int(booked.certain_micros + booked.possible_micros) if booked else 0
    return run.run_id, len(chosen), min(so_far + worst, to_micros(held.profile.money.cap_run))


def _run_of(held: Runtime, order: Redrive) -> RunRow:
    if order.run_id:
        return held.ledger.run(order.run_id)
    found = held.ledger.runs(held.profile.name, most=1)
    if not found:
        raise LedgerError(f"profile {held.profile.name} has no run yet")
    return found[0]


def _dearest(held: Runtime) -> int:
    return max(held.prices.worst(family) for family in Family)
