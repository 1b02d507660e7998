"""What people decide on the terminal; each decision is kept with who and why. The flows have the same buttons."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

import typer

from flows.press import Date, Json, Profile, Who, Why, date_of, explained, not_in_form, opened, plan_hash, printed
from flows.terminal import decision_of, doubt_of, exit_code, print_run

desk = typer.Typer(no_args_is_help=True)
in_doubt = typer.Typer(no_args_is_help=True, help="Calls that wait for a person.")
desk.add_typer(in_doubt, name="in-doubt")

CallIds = Annotated[list[str] | None, typer.Argument(help="Ids of calls; see `in-doubt list`.")]
OfRun = Annotated[str, typer.Option("--run", help="All waiting calls of this run.")]
All = Annotated[bool, typer.Option("--all", help="All waiting calls.")]
OlderThan = Annotated[str, typer.Option("--older-than", help="Only those sent longer ago: 90m, 36h, 7d.")]
_SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400}


@desk.command()
def approve(
    profile: Profile,
    name: Annotated[
        str,
        typer.Argument(metavar="HASH", help="The plan's; its first 8 characters will do.", callback=plan_hash),
    ],
    who: Who,
    why: Why = "",
    reject: Annotated[bool, typer.Option("--reject", help="Reject it instead: no record of it is asked.")] = False,
    as_json: Json = False,
) -> None:
    """Approve a plan by its hash, by day or at night; a run that waits for it goes on now, else the next start does."""
    from tasks.text import Text

    with explained(as_json), opened(profile) as held:
        from flows.approval import Approval, Verdict, say
        from flows.beforehand import said_lines

        word = Verdict.REJECT if reject else Verdict.APPROVE
        said = Approval.model_construct(decision=word, plan_hash=name, name=who, reason=why)
        run, goes_on = asyncio.run(say(held, name, said))
        lines = said_lines(word, run, Text(held.profile.language), goes_on=goes_on)
        told = {"rejected" if reject else "approved": run.plan_hash, "run_id": run.run_id}
        printed(told, as_json, lambda: typer.echo("\n".join(lines)))


@desk.command()
def envelope(
    profile: Profile,
    date: Annotated[str, typer.Option("--date", help="Business date of the night, YYYY-MM-DD.")],
    records: Annotated[
        int, typer.Option("--records", min=1, help="At most so many rows, all plans that it approves together.")
    ],
    money: Annotated[
        str, typer.Option("--money", help="At most so much at worst, all plans that it approves together: 1200.00.")
    ],
    who: Who,
    why: Why,
    until: Annotated[str, typer.Option("--until", help="Last day it holds; the day after the night by default.")] = "",
    as_json: Json = False,
) -> None:
    """Approve a night's plans before they are made, up to so many records and so much money."""
    from pydantic import ValidationError

    from flows.beforehand import Envelope, signed, signed_lines
    from tasks.text import Text

    with explained(as_json), opened(profile) as held:
        terms = {"most_records": records, "most_money": money, "reason": why, "name": who}
        try:
            order = Envelope.model_validate(
                terms | {"profile": profile, "business_date": date_of(date), "until": date_of(until, "--until")}
            )
        except ValidationError as error:
            raise typer.BadParameter(not_in_form(error)) from None
        signed_terms = signed(held, order)
        printed(signed_terms, as_json, lambda: typer.echo(signed_lines(signed_terms, Text(held.profile.language))))


@desk.command()
def halt(profile: Profile, who: Who, why: Why, as_json: Json = False) -> None:
    """Let no call of any process leave from now on, until `release`."""
    from tasks.ledger import halts
    from tasks.ledger.decided import ALL

    with explained(as_json), opened(profile, ledger_only=True) as held:
        _ordered(held, halts.halt, "halt", ALL, who, why)
        printed({"halted": True}, as_json, lambda: typer.echo("halted: no call leaves until `release`"))


@desk.command()
def release(profile: Profile, who: Who, why: Why, as_json: Json = False) -> None:
    """Let calls go again after `halt`; the next start goes on where runs were stopped."""
    from tasks.ledger import halts
    from tasks.ledger.decided import ALL

    with explained(as_json), opened(profile, ledger_only=True) as held:
        _ordered(held, halts.release, "release", ALL, who, why)
        printed({"halted": False}, as_json, lambda: typer.echo("released"))


@desk.command()
def cancel(profile: Profile, run_id: str, who: Who, why: Why, as_json: Json = False) -> None:
    """Stop a run that is under way in another process; where its process is dead, close it here."""
    from tasks.ledger import halts

    with explained(as_json), opened(profile) as held:
        owner = _ordered(held, halts.cancel, "cancel", run_id, who, why)
        lives = bool(owner) and held.ledger.owner.is_alive(owner)
        closed = [] if lives else _closed(profile, held, [run_id])
        said = "it drains, writes results and report, and ends" if lives else "its process was gone: closed here"
        told = {"cancelled": run_id, "under_way": lives, "closed": closed}
        printed(told, as_json, lambda: typer.echo(f"cancelled {run_id}: {said}"))


@desk.command()
def void(
    profile: Profile,
    run_id: str,
    who: Who,
    why: Why,
    file: Annotated[str, typer.Option("--file", help="One input file of the run, as its results name it.")] = "",
    as_json: Json = False,
) -> None:
    """Take a run's verdicts, or one file's, out of force: never relied on again, asked again, money kept as spent."""
    from flows.voids import void_now

    with explained(as_json), opened(profile) as held:
        done = void_now(held, run_id, file, who=who, why=why)
        revised = _closed(profile, held, [run_id, *done.relying])
        told = {"void": done.target, "calls": done.calls, "relying": list(done.relying), "revised": revised}
        lines = [f"void: {run_id} {file}, {done.calls} calls"]
        lines += [f"{one['run_id']}: revision {one['revision']}" for one in revised]
        printed(told, as_json, lambda: typer.echo("\n".join(lines)))


@desk.command()
def redrive(
    profile: Profile,
    who: Who,
    why: Why,
    run_id: Annotated[str, typer.Option("--run", help="The run; the latest where left out.")] = "",
    outcomes: Annotated[
        str,
        typer.Option("--outcomes", help="failed, resent; in_doubt, unreadable, written_off decide to resend as well."),
    ] = "failed,resent",
    date: Date = "",
    as_json: Json = False,
) -> None:
    """Ask again what failed or was resent in a run, and write its next revision."""
    from pydantic import ValidationError

    from flows.redrive import Redrive
    from flows.redrive import redrive as redrive_flow
    from flows.states import press
    from tasks.text import Text

    with explained(as_json), opened(profile) as held:
        kinds = [one.strip() for one in outcomes.split(",") if one.strip()]
        words = {"profile": profile, "run_id": run_id or None, "outcomes": kinds, "business_date": date_of(date)}
        try:
            order = Redrive.model_validate(words | {"reason": why, "name": who})
        except ValidationError as error:
            raise typer.BadParameter(not_in_form(error)) from None
        ended = press(redrive_flow, order)
        print_run(ended, Text(held.profile.language), as_json=as_json)
        raise typer.Exit(exit_code(ended["state"]))


@desk.command()
def decisions(profile: Profile, as_json: Json = False) -> None:
    """List the latest decisions: what, about what, who, why, when."""
    from tasks.ledger.decided import listed

    with explained(as_json), opened(profile, ledger_only=True) as held:
        found = [decision_of(row) for row in held.ledger.read(listed)]
        lines = "\n".join("  ".join(one.values()) for one in found) or "nothing was decided"
        printed({"decisions": found}, as_json, lambda: typer.echo(lines))


@in_doubt.command("list")
def in_doubt_list(profile: Profile, run_id: OfRun = "", older_than: OlderThan = "", as_json: Json = False) -> None:
    """List the calls that wait for a person: perhaps billed, and without a usable answer."""
    from tasks.ledger.doubts import waiting

    with explained(as_json), opened(profile, ledger_only=True) as held:
        chosen = _chosen(held, [], run_id=run_id, every=True, older_than=older_than)
        found = [doubt_of(row) for row in held.ledger.read(partial(waiting, chosen=chosen))]
        lines = "\n".join("  ".join(one.values()) for one in found) or "nothing is in doubt"
        printed({"in_doubt": found}, as_json, lambda: typer.echo(lines))


@in_doubt.command("resend")
def in_doubt_resend(
    profile: Profile,
    who: Who,
    why: Why,
    call_ids: CallIds = None,
    run_id: OfRun = "",
    every: All = False,
    older_than: OlderThan = "",
    as_json: Json = False,
) -> None:
    """Let a redrive or the next night ask doubtful questions again; they may be paid a second time."""
    with explained(as_json), opened(profile) as held:
        chosen = _chosen(held, call_ids or [], run_id=run_id, every=every, older_than=older_than)
        _settle(profile, held, chosen, "resend", who, why, as_json)


@in_doubt.command("write-off")
def in_doubt_write_off(
    profile: Profile,
    who: Who,
    why: Why,
    call_ids: CallIds = None,
    run_id: OfRun = "",
    every: All = False,
    older_than: OlderThan = "",
    as_json: Json = False,
) -> None:
    """Accept that doubtful calls bring no answer; their money stays as possibly spent, their records are failed."""
    with explained(as_json), opened(profile) as held:
        chosen = _chosen(held, call_ids or [], run_id=run_id, every=every, older_than=older_than)
        _settle(profile, held, chosen, "write-off", who, why, as_json)


def _settle(profile: str, held: Any, chosen: Any, kind: str, who: str, why: str, as_json: bool) -> None:
    """Settle the chosen calls, and write a new revision of every run whose results hang on them."""
    from tasks.ledger.decided import Decision
    from tasks.ledger.doubts import decide_all, runs_touched

    order = Decision(kind, "", who, why, held.ledger.clock_us())
    settled = held.ledger.write(partial(decide_all, chosen=chosen, order=order))
    names = [row.call_id for row in settled]
    touched = held.ledger.read(partial(runs_touched, call_ids=names))
    revised = _closed(profile, held, touched) if kind == "write-off" else []
    told = {"decision": kind, "call_ids": names, "revised": revised}
    lines = [f"{kind}: {name}" for name in names] + [f"{one['run_id']}: revision {one['revision']}" for one in revised]
    printed(told, as_json, lambda: typer.echo("\n".join(lines)))


def _chosen(held: Any, call_ids: list[str], *, run_id: str, every: bool, older_than: str) -> Any:
    """Return which waiting calls are meant; a decision about everything must say so."""
    from tasks.ledger.doubts import Chosen

    if bool(call_ids) == (bool(run_id) or every):
        raise typer.BadParameter("name calls by their ids, or choose them with --run RUN or --all")
    before = held.ledger.clock_us() - 1_000_000 * _seconds(older_than) if older_than else 0
    return Chosen(tuple(call_ids), run_id, before)


def _seconds(age: str) -> int:
    found = re.fullmatch(r"(\d+)([mhd])", age)
    if found is None:
        raise typer.BadParameter(f"{age!r} is no age like 90m, 36h or 7d", param_hint="--older-than")
    return int(found[1]) * _SECONDS[found[2]]


def _closed(profile: str, held: Any, run_ids: list[str]) -> list[dict[str, Any]]:
    """Close runs again where they have results or lost their process; one under way closes itself."""
    from flows.close import close
    from flows.states import press

    found = []
    for run in map(held.ledger.run, run_ids):
        if run.profile == held.profile.name and not (run.owner and held.ledger.owner.is_alive(run.owner)):
            ended = press(close, profile, run.run_id)
            found.append({name: ended[name] for name in ("run_id", "revision", "state", "report")})
    return found


def _ordered(held: Any, do: Callable[..., Any], kind: str, target: str, who: str, why: str) -> Any:
    from tasks.ledger.decided import Decision

    order = Decision(kind, target, who, why, held.ledger.clock_us())
    return held.ledger.write(lambda connection: do(connection, order))
