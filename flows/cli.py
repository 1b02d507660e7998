"""The same buttons for a terminal. Logs and bars go to stderr; with --json one object goes to stdout at the end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from flows.books import books
from flows.desk import desk
from flows.press import Date, Json, Profile, date_of, explained, opened, plan_hash, printed
from flows.terminal import exit_code, print_run

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(desk)
app.add_typer(books, name="ledger")
HOME: Final = Path("~/.ivs-backfill")


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

    with explained(as_json):
        say("welcome")
        ended = demo_night(home.expanduser().resolve(), say)
        print_run(ended, text, as_json=as_json)
        raise typer.Exit(0 if ended["as_expected"] else 1)


@app.command()
def up(
    home: Annotated[Path, typer.Option("--home", help="Where everything is kept.")] = HOME / "demo",
    port: Annotated[int, typer.Option(help="Port of the UI; another one where it is taken.")] = 4200,
) -> None:
    """Keep the demo's parts running with Prefect's UI, deployments and a worker; prints the address to open."""
    from flows.up import up as start
    from tasks.text import Text

    text = Text("both")
    with explained(as_json=False), suppress(KeyboardInterrupt):
        typer.echo(text("up.welcome"), err=True)
        with start(home.expanduser().resolve(), lambda part: typer.echo(text(part), err=True), port=port) as house:
            typer.echo(text("up.ready", address=house.server.address))
            house.stay()
    typer.echo(text("up.ended"), err=True)


@app.command()
def deploy(
    pool: Annotated[str, typer.Option(help="The work pool; made where it is not there.")] = "ivs-backfill",
    profile: Annotated[
        list[str] | None,
        typer.Option(help="What the forms offer; all real ones by default."),
    ] = None,
    checkout: Annotated[Path | None, typer.Option(help="Where workers find the code; here by default.")] = None,
    as_json: Json = False,
) -> None:
    """Register pool, deployments and automations at the Prefect server that PREFECT_API_URL names."""
    with explained(as_json):
        from dataclasses import asdict

        from flows.deploy import deploy as register
        from tasks.settings.load import CHECKOUT

        told = asdict(register(pool=pool, profiles=profile, checkout=checkout or CHECKOUT))
        printed(
            told, as_json, lambda: typer.echo("\n".join(told["deployments"] + told["automations"] + told["left_out"]))
        )


@app.command()
def run(
    profile: Profile,
    date: Date = "",
    limit: Annotated[int, typer.Option(min=0, help="The first N rows only, as a pilot.")] = 0,
    replan: Annotated[bool, typer.Option("--replan", help="Plan the next sequence of this date.")] = False,
    approve_hash: Annotated[
        str, typer.Option("--approve", metavar="HASH", help="Approve the plan with this hash.", callback=plan_hash)
    ] = "",
    as_json: Json = False,
) -> None:
    """Verify a night's records and write results and report; on a finished plan, return that run."""
    with explained(as_json), opened(profile) as held:
        from flows.backfill import backfill
        from flows.forms import Order
        from flows.states import press
        from tasks.text import Text

        if approve_hash:
            from tasks.approve import decide, planned

            approved = planned(held.ledger, held.profile.name, approve_hash)
            decide(held.ledger, approved.plan_hash, "approve", who="terminal", why="--approve")
        order = Order(profile=profile, business_date=date_of(date), limit=limit, replan=replan)
        ended = press(backfill, order)
        print_run(ended, Text(held.profile.language), as_json=as_json)
        raise typer.Exit(exit_code(ended["state"]))


@app.command()
def forecast(profile: Profile, date: Date = "", limit: int = 0, as_json: Json = False) -> None:
    """Plan a night and price it; spend nothing."""
    with explained(as_json), opened(profile):
        from flows.forecast import forecast as forecast_flow
        from flows.forms import Order
        from flows.states import press

        told = press(forecast_flow, Order(profile=profile, business_date=date_of(date), limit=limit))
        printed(told, as_json, lambda: typer.echo(told.get("card") or told["error"]))
        raise typer.Exit(exit_code(told["state"]) if "error" in told else 0)


@app.command()
def preflight(
    profile: Profile,
    one_call: Annotated[bool, typer.Option("--one-call", help="Then verify one record; it is billed.")] = False,
    as_json: Json = False,
) -> None:
    """Look at everything a night needs, from account to Prefect's settings; spend nothing."""
    with explained(as_json), opened(profile, unchecked=True):
        from flows.preflight import Preflight, print_findings
        from flows.preflight import preflight as preflight_flow
        from flows.states import press

        told = press(preflight_flow, Preflight(profile=profile, one_call=one_call))
        printed(told, as_json, lambda: print_findings(told))
        raise typer.Exit(1 if told["level"] == "fail" else 0)


@app.command()
def close(profile: Profile, run_id: str, as_json: Json = False) -> None:
    """Write a run's results and report again, from plan and ledger; make no call."""
    with explained(as_json), opened(profile) as held:
        from flows.close import close as close_flow
        from flows.states import press
        from tasks.text import Text

        ended = press(close_flow, profile, run_id)
        print_run(ended, Text(held.profile.language), as_json=as_json)
        raise typer.Exit(exit_code(ended["state"]))


@app.command()
def runs(profile: Profile, as_json: Json = False) -> None:
    """List the latest runs of a profile."""
    with explained(as_json), opened(profile) as held:
        found = [
            {"run_id": row.run_id, "business_date": row.business_date.isoformat(), "state": row.state, "stop": row.stop}
            for row in held.ledger.runs(held.profile.name)
        ]
        lines = "\n".join("  ".join(map(str, one.values())) for one in found)
        printed({"runs": found}, as_json, lambda: typer.echo(lines))


@app.command()
def why(
    profile: Profile,
    record: Annotated[str, typer.Argument(help="Its reference, as results name it, or file:row; never an id number.")],
    nights: Annotated[int, typer.Option(min=1, help="In how many of the latest runs its row is looked for.")] = 10,
    as_json: Json = False,
) -> None:
    """Tell a record's story: its row, every call, answer, money and decision, and how it ended in each run."""
    with explained(as_json), opened(profile) as held:
        from flows.stories import story_of, told

        story = story_of(held, record, nights)
        printed(story, as_json, lambda: typer.echo(told(story, held.profile.language)))


@app.command()
def inspect(
    source: Annotated[str, typer.Argument(help="A profile, a folder, or an s3:// prefix.")],
    profile: Annotated[
        str, typer.Option("--profile", help="Whose store and columns apply to a folder or prefix; for s3:// nightly.")
    ] = "",
    date: Date = "",
    as_json: Json = False,
) -> None:
    """Read a source and say what is recognised, and what is wrong where; plan nothing, ask nothing."""
    with explained(as_json):
        from dataclasses import asdict

        from flows.inspected import inspected, show

        report, text = inspected(source, profile, date_of(date))
        printed(asdict(report), as_json, lambda: show(report, text))


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


if __name__ == "__main__":
    main()
