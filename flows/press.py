"""What every command of the terminal stands on: its options, one line for an error, and what it prints at the end."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError

from flows.terminal import explain

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Profile = Annotated[str, typer.Argument(help="Name of a profile in configs/, or a path to one.")]
Date = Annotated[str, typer.Option("--date", help="Business date, YYYY-MM-DD; today where left out.")]


def no_long_number(text: str) -> str:
    """Refuse what may hold an id number by mistake, as the forms do; without repeating it."""
    if re.search(r"\d{15}", text):
        raise typer.BadParameter("no number of 15 digits or more: it would stand in the ledger")
    return text


def plan_hash(text: str) -> str:
    """Refuse what is no plan's hash; without repeating it."""
    if text and not re.fullmatch("[0-9a-f]{8,64}", text):
        raise typer.BadParameter("no plan's hash: 8 to 64 of 0-9 and a-f, as the plan card shows it")
    return text


Who = Annotated[
    str,
    typer.Option("--who", help="Your name, as it will stand in the ledger (unverified).", callback=no_long_number),
]
Why = Annotated[str, typer.Option("--why", help="The reason, as it will stand in the ledger.", callback=no_long_number)]


@contextmanager
def explained(as_json: bool) -> Iterator[None]:
    """Turn what can go wrong into one line and an exit code; no traceback for what a person can mend."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        code, line, state = explain(error)
        if line is None:
            raise
        if as_json:
            sys.stdout.write(orjson.dumps({"state": state, "error": line}).decode() + "\n")
        typer.echo(f"ivs-backfill: {line}", err=True)
        raise typer.Exit(code) from None


@contextmanager
def opened(profile: str, *, ledger_only: bool = False, unchecked: bool = False) -> Iterator[Any]:
    """Open a profile's runtime with Prefect's settings in place, and close it.

    `ledger_only`: what needs nothing but the ledger (`halt`) does not depend on stores and prices being in order.
    `unchecked`: `preflight` opens each part by itself, and tells of all that are not in order.
    """
    from tasks.settings import load_profile

    loaded = load_profile(profile)
    from tasks.local.prefect_home import apply as apply_prefect_settings

    apply_prefect_settings(loaded.home.expanduser().resolve())
    from tasks import runtime

    try:
        held = runtime.runtime(profile)
        if ledger_only:
            _ = held.ledger
        elif not unchecked:
            held.check()
        yield held
    finally:
        runtime.close(profile)


def date_of(text: str, option: str = "--date") -> dt.date | None:
    """Return the date an option names, or None where it was left out."""
    if not text:
        return None
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        found = dt.date.min
    if not 2000 <= found.year < 2100:
        raise typer.BadParameter(f"{text!r} is not a date like 2026-01-31", param_hint=option)
    return found


def not_in_form(error: ValidationError) -> str:
    """Return which fields a form refused; what stood in them is not repeated."""
    wrong = ", ".join(str(one["loc"][0]) for one in error.errors(include_input=False))
    return f"{wrong}: not in the form that is asked for; see --help"


def printed(told: dict[str, Any], as_json: bool, plainly: Callable[[], Any]) -> None:
    """Print one JSON object, or what people read."""
    if as_json:
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
    else:
        plainly()
