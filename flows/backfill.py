"""The nightly backfill: read the source, plan, have it approved, ask the provider, reconcile, report.

The problem it solves: a customer base must be verified again, every call costs money, and in the morning somebody signs
the result. Run it with a profile; the same profile and business date always find the same plan and ledger, so a second
press, a retry or a restart after a kill goes on where it stopped, and pays for nothing twice.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.approval import asked, hear
from flows.close import close_run
from flows.closing import forget_staged, forget_unclaimed
from flows.dead import goes_on, serve, served
from flows.forms import Order, words
from flows.joining import joined
from flows.naming import call_it, run_name, today
from flows.progress import Board
from flows.states import Ended, ends
from flows.telling import card, to_its_end, until_heard
from tasks import ingest
from tasks.approve import approved_cap
from tasks.ledger import RunBusyError, RunRow, StoppedError
from tasks.ledger.doubts import unrevised
from tasks.ledger.runs import FINISHED, plan_of, stop
from tasks.plan import PlanKey, load_or_make, recent_rows
from tasks.reconcile.conserve import NotConservedError
from tasks.records import Record, RejectedRow, State
from tasks.records.contracts import ContractError
from tasks.records.inputs import Inputs
from tasks.report import plan_markdown
from tasks.runtime import Runtime, runtime
from tasks.staging import StagingError
from tasks.storage import Missing
from tasks.text import Text
from tasks.verify import verify
from tasks.verify.night import Night
from tasks.verify.signals import stop_on_signals


@flow(name="backfill", flow_run_name=run_name, persist_result=False, validate_parameters=True)
async def backfill(order: Order) -> Ended:
    """Verify a night's records, and write results and cost report.

    Args:
        order: 选择配置与业务日期；提交后即开始核验 · profile and business date; it begins when this is sent
    """
    ended = await night(order)
    await until_heard()
    return ends(ended, Text(runtime(order.profile).profile.language))


async def night(order: Order) -> dict[str, Any]:
    """Go through a night's steps, and return the run's object."""
    since_us = await goes_on(runtime(order.profile).ledger)
    await close_left_behind(order)
    run = await plan(order)
    if isinstance(run, str):
        return stopped_input(order, run)
    await serve(runtime(order.profile).ledger, run, since_us)
    if run.state in FINISHED:
        return ended(run)
    held = runtime(order.profile)
    return await joined(
        held.ledger, run.run_id, partial(finish, order.profile, run, since_us), Text(held.profile.language)
    )


async def finish(profile: str, run: RunRow, since_us: int) -> dict[str, Any]:
    """Have a run approved, asked and closed; return its object."""
    cap = await approve(profile, run)
    if cap is not None:
        await ask(profile, run, cap, since_us)
    return await close_run(profile, run)


async def close_left_behind(order: Order) -> None:
    """Close runs whose process died before it could, this date's own sequences included unless this start goes on.

    What they left open, tonight's plan asks. A decision that no revision shows yet, since its process died, gets one.
    What was staged longer than the profile allows is deleted.
    """
    held = runtime(order.profile)
    night = night_of(order)
    newest = await asyncio.to_thread(held.ledger.newest_run, held.profile.name, held.profile.source.records, night)
    ours = served(held.ledger) or ("" if order.replan or newest is None else newest.run_id)
    for run in await asyncio.to_thread(held.ledger.left_behind, held.profile.name, night):
        if run.run_id != ours:
            await _close_if_possible(order.profile, run)
    for run_id in await asyncio.to_thread(held.ledger.read, partial(unrevised, profile=held.profile.name)):
        await _close_if_possible(order.profile, held.ledger.run(run_id))
    await asyncio.to_thread(forget_staged, held)
    await asyncio.to_thread(forget_unclaimed, held)


async def _close_if_possible(profile: str, run: RunRow) -> None:
    """Close an earlier run; where that can't be done the log says so, and tonight's goes on.

    Somebody may have taken it meanwhile, or press a redrive of it just now; each later start tries again.
    """
    try:
        await close_run(profile, run)
    except RunBusyError:
        pass
    except (NotConservedError, ContractError, StagingError, Missing) as error:
        get_run_logger().error("run %s can't be closed: %s", run.run_id, error)  # no traceback: it says all


def night_of(order: Order) -> dt.date:
    """Return the business date that is ordered: that of the scheduled start, in the profile's zone, where none is."""
    return order.business_date or today(runtime(order.profile).profile.zone)


async def plan(order: Order) -> RunRow | str:
    """Return the run of a business date, planned now or found; or why the input can't be planned.

    Retried, resumed or started again, a Prefect run goes on with its own, and plans nothing again.
    """
    held = runtime(order.profile)
    if run_id := served(held.ledger):
        await asyncio.to_thread(held.check_ledger)
    else:
        run_id, problem = await _plan_task(order.profile, night_of(order), order.limit, order.replan)
        if problem:
            return problem
    run = await asyncio.to_thread(held.ledger.run, run_id)
    await call_it(run, plan_of(run)["records"])
    return run


@task(name="ingest and plan", task_run_name=words("step.plan"), persist_result=False, cache_policy=NO_CACHE)
async def _plan_task(profile: str, date: dt.date, limit: int, replan: bool) -> tuple[str, str]:
    """Return the run's id; or none, and what is wrong with the input, which is a clean stop and no failure."""
    held = runtime(profile)
    key = PlanKey(date, limit=limit, replan=replan)
    source = held.profile.source

    def rows(told: Inputs) -> Iterator[list[Record | RejectedRow]]:
        return ingest.read_profile(held.records, source, date, recent_rows(held, date, source.recent_nights), told)

    await asyncio.to_thread(held.check_ledger)
    try:
        run = await ingest.when_complete(
            lambda: asyncio.to_thread(load_or_make, held, key, rows), _patience(held, date)
        )
    except ingest.InputError as error:
        return "", str(error)
    page = plan_markdown(run, plan_of(run), Text(held.profile.language))
    await card("plan", held.profile.name, page, run.run_id)
    return str(run.run_id), ""


def _patience(held: Runtime, date: dt.date) -> ingest.Patience:
    """Return how long an input that has not come yet is waited for."""
    control, zone = held.profile.source.control, held.profile.zone
    return ingest.Patience(
        until=ingest.last_moment(control.wait_until, date, zone),
        every_s=control.every_s,
        now=lambda: dt.datetime.now(zone),
        sleep=asyncio.sleep,
        say=get_run_logger().info,
    )


async def approve(profile: str, run: RunRow) -> int | None:
    """Return what the run may spend (millionths); None where it stops because nobody approved its plan."""
    held = runtime(profile)
    await hear(held, run)
    cap = await asyncio.to_thread(approved_cap, held.ledger, run, held.profile.money)
    if cap is None and await asked(held, run):
        cap = await asyncio.to_thread(approved_cap, held.ledger, run, held.profile.money)
    if cap is None:
        await held.ledger.awrite(lambda connection: stop(connection, run.run_id, "not_approved"))
    return cap


async def ask(
    profile: str, run: RunRow, cap_micros: int, since_us: int, *, on: dt.date | None = None, again: bool = False
) -> None:
    """Ask the provider until nothing is open or the run is stopped; a signal stops it cleanly.

    A run that was cancelled since this start was first made asks nothing: a new press goes on with it; nor does one
    whose plan was rejected just now. For `on` and `again` see `verify`.
    """
    with Board(runtime(profile), run) as board:

        def begins(night: Night) -> None:
            board.watch(night)
            stop_on_signals(night)

        try:
            with to_its_end():
                await verify(profile, run, cap_micros, board.show, ready=begins, on=on, again=again, since_us=since_us)
        except StoppedError as stopped:
            ledger, text = runtime(profile).ledger, Text(runtime(profile).profile.language)
            if stopped.reason == "not_approved":
                await ledger.awrite(lambda connection: stop(connection, run.run_id, "not_approved"))
            get_run_logger().warning("%s", " | ".join(text.lines(f"live.{stopped.reason}_since")))


def stopped_input(order: Order, problem: str) -> dict[str, Any]:
    """Return the object of a night whose input can't be planned: no plan, no calls."""
    date = night_of(order).isoformat()
    return {"profile": order.profile, "business_date": date, "state": State.STOPPED_INPUT.value, "error": problem}


def ended(run: RunRow) -> dict[str, Any]:
    """Return the object of a run that had ended before."""
    found: dict[str, Any] = orjson.loads(run.closing)
    return found
