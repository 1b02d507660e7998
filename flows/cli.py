"""The same buttons for a terminal. Logs and bars go to stderr; with --json one object goes to stdout at the end."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from flows.terminal import call_of, doubt_of, exit_code, explain, print_run, unsent_of

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
in_doubt = typer.Typer(no_args_is_help=True, help="Calls that wait for a person.")
app.add_typer(in_doubt, name="in-doubt")
HOME: Final = Path("~/.ivs-backfill")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Profile = Annotated[str, typer.Argument(help="Name of a profile in configs/, or a path to one.")]
Date = Annotated[str, typer.Option("--date", help="Business date, YYYY-MM-DD; today where left out.")]
Who = Annotated[str, typer.Option("--who", help="Your name, as it will stand in the ledger.")]
Why = Annotated[str, typer.Option("--why", help="The reason, as it will stand in the ledger.")]


@app.command()
def demo(
    home: Annotated[Path, typer.Option("--home", help="Where the demo keeps its parts.")] = HOME / "demo",
    as_json: Json = False,
) -> None:
    """Run a whole night on this machine: provider, store and server of its own; nothing leaves loopback."""
    from flows.demo import demo_night
    from tasks.text import Text

    text = Text("both")

    def say(part: str) -> None:
        typer.echo(text(f"demo.{part}"), err=True)

    with _explained(as_json):
        say("welcome")
        ended = demo_night(home.expanduser().resolve(), say)
        print_run(ended, text, as_json=as_json)
        raise typer.Exit(0 if ended["as_expected"] else 1)


@app.command()
def run(
    profile: Profile,
    date: Date = "",
    limit: Annotated[int, typer.Option(min=0, help="The first N rows only, as a pilot.")] = 0,
    replan: Annotated[bool, typer.Option("--replan", help="Plan the next sequence of this date.")] = False,
    approve_hash: Annotated[str, typer.Option("--approve", help="Approve the plan with this hash.")] = "",
    as_json: Json = False,
) -> None:
    """Verify a night's records and write results and report; on a finished plan, return that run."""
    with _explained(as_json), _opened(profile) as held:
        from flows.backfill import Order, backfill
        from flows.states import press
        from tasks.text import Text

        if approve_hash:
            _decide(held, "approve", approve_hash, "terminal", "--approve")
        order = Order(profile=profile, business_date=_date(date), limit=limit, replan=replan)
        ended = press(backfill, order)
        print_run(ended, Text(held.profile.language), as_json=as_json)
        raise typer.Exit(exit_code(ended["state"]))


@app.command()
def forecast(profile: Profile, date: Date = "", limit: int = 0, as_json: Json = False) -> None:
    """Plan a night and price it; spend nothing."""
    with _explained(as_json), _opened(profile):
        from flows.backfill import Order
        from flows.forecast import forecast as forecast_flow
        from flows.states import press

        told = press(forecast_flow, Order(profile=profile, business_date=_date(date), limit=limit))
        _print(told, as_json, lambda: typer.echo(told.get("card") or told["error"]))
        raise typer.Exit(exit_code(told["state"]) if "error" in told else 0)


@app.command()
def close(profile: Profile, run_id: str, as_json: Json = False) -> None:
    """Write a run's results and report again, from plan and ledger; make no call."""
    with _explained(as_json), _opened(profile) as held:
        from flows.close import close as close_flow
        from flows.states import press
        from tasks.text import Text

        ended = press(close_flow, profile, run_id)
        print_run(ended, Text(held.profile.language), as_json=as_json)
        raise typer.Exit(exit_code(ended["state"]))


@app.command()
def approve(profile: Profile, plan_hash: str, who: Who, why: Why = "", as_json: Json = False) -> None:
    """Approve a plan by its hash."""
    with _explained(as_json), _opened(profile) as held:
        _decide(held, "approve", plan_hash, who, why)
        _print({"approved": plan_hash}, as_json, lambda: typer.echo(f"approved {plan_hash}"))


@app.command()
def halt(profile: Profile, who: Who, why: Why, as_json: Json = False) -> None:
    """Let no call of any process leave from now on, until `release`."""
    with _explained(as_json), _opened(profile) as held:
        _decide(held, "halt", "all", who, why)
        held.ledger.halt(f"{who}: {why}")
        _print({"halted": True}, as_json, lambda: typer.echo("halted: no call leaves until `release`"))


@app.command()
def release(profile: Profile, who: Who, why: Why, as_json: Json = False) -> None:
    """Let calls go again after `halt`."""
    with _explained(as_json), _opened(profile) as held:
        _decide(held, "release", "all", who, why)
        held.ledger.halt("")
        _print({"halted": False}, as_json, lambda: typer.echo("released"))


@app.command()
def ledger_accept(profile: Profile, who: Who, why: Why, as_json: Json = False) -> None:
    """Accept a new or older ledger for these results: what it has forgotten may be paid again."""
    with _explained(as_json), _opened(profile) as held:
        _decide(held, "accept_ledger", held.ledger.ledger_id, who, why)
        held.mark_ledger()
        _print({"ledger": held.ledger.ledger_id}, as_json, lambda: typer.echo("accepted"))


@app.command()
def runs(profile: Profile, as_json: Json = False) -> None:
    """List the latest runs of a profile."""
    with _explained(as_json), _opened(profile) as held:
        found = [
            {"run_id": row.run_id, "business_date": row.business_date.isoformat(), "state": row.state, "stop": row.stop}
            for row in held.ledger.runs(held.profile.name)
        ]
        lines = "\n".join("  ".join(map(str, one.values())) for one in found)
        _print({"runs": found}, as_json, lambda: typer.echo(lines))


@in_doubt.command("list")
def in_doubt_list(profile: Profile, as_json: Json = False) -> None:
    """List the calls that wait for a person: perhaps billed, and without a usable answer."""
    with _explained(as_json), _opened(profile) as held:
        found = [doubt_of(row) for row in held.ledger.doubts()]
        lines = "\n".join("  ".join(one.values()) for one in found) or "nothing is in doubt"
        _print({"in_doubt": found}, as_json, lambda: typer.echo(lines))


@in_doubt.command("resend")
def in_doubt_resend(profile: Profile, call_id: str, who: Who, why: Why, as_json: Json = False) -> None:
    """Let the next night ask a doubtful question again; it may be paid a second time."""
    _settle(profile, call_id, "resend", who, why, as_json)


@in_doubt.command("write-off")
def in_doubt_write_off(profile: Profile, call_id: str, who: Who, why: Why, as_json: Json = False) -> None:
    """Accept that a doubtful call brings no answer; its money stays as possibly spent."""
    _settle(profile, call_id, "write-off", who, why, as_json)


@app.command()
def why(profile: Profile, record_ref: str, as_json: Json = False) -> None:
    """Tell a record's story by its reference number: every call, its answer, its money, and decisions."""
    with _explained(as_json), _opened(profile) as held:
        calls, unsent = held.ledger.story(record_ref)
        left = [unsent_of(row) for row in unsent]
        told = {"record_ref": record_ref, "calls": [call_of(row) for row in calls], "without_a_call": left}
        _print(told, as_json, lambda: typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()))


@app.command()
def inspect(profile: Profile, as_json: Json = False) -> None:
    """Read a profile's source and say what was recognised; plan nothing."""
    with _explained(as_json), _opened(profile) as held:
        from dataclasses import asdict

        from tasks.ingest import inspect_source

        report = asdict(inspect_source(held.records, held.profile.source))
        _print(report, as_json, lambda: typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()))


@app.command()
def simulator(
    port: Annotated[int, typer.Option(help="0: a free one.")] = 0,
    home: Annotated[Path, typer.Option(help="Where account and journal are kept.")] = HOME / "simulator",
    config: Annotated[Path | None, typer.Option(help="TOML with the objects of the control routes.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM with key and certificate: speak TLS.")] = None,
) -> None:
    """Run the provider's twin; prints one JSON line when ready."""
    from tasks.local.provider import run_here

    run_here(home.expanduser().resolve(), port=port, config=config, certificate=certificate)


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _explained(as_json: bool) -> Iterator[None]:
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
def _opened(profile: str) -> Iterator[Any]:
    """Open a profile's runtime with Prefect's settings in place, and close it."""
    from tasks.settings import load_profile

    loaded = load_profile(profile)
    from tasks.local.prefect_home import apply as apply_prefect_settings

    apply_prefect_settings(loaded.home.expanduser().resolve())
    from tasks import runtime

    try:
        held = runtime.runtime(profile)
        held.check()
        yield held
    finally:
        runtime.close(profile)


def _decide(held: Any, kind: str, target: str, who: str, why: str) -> None:
    import uuid

    held.ledger.decide(kind, target, who=who, why=why, decision=uuid.uuid4().hex)


def _settle(profile: str, call_id: str, kind: str, who: str, why: str, as_json: bool) -> None:
    import uuid

    with _explained(as_json), _opened(profile) as held:
        held.ledger.decide_doubt(call_id, kind, who=who, why=why, decision=uuid.uuid4().hex)
        _print({"call_id": call_id, "decision": kind}, as_json, lambda: typer.echo(f"{kind}: {call_id}"))


def _date(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date like 2026-01-31", param_hint="--date") from None


def _print(told: dict[str, Any], as_json: bool, plainly: Callable[[], Any]) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
    else:
        plainly()


if __name__ == "__main__":
    main()
