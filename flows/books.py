"""The ledger itself on the terminal: copied, or accepted where a newer one is lost."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Annotated

import typer

from flows.press import Json, Profile, Who, Why, explained, opened, printed

books = typer.Typer(
    no_args_is_help=True, help="The account of every call: copy it, or accept that a newer one is lost."
)

To = Annotated[Path | None, typer.Option("--to", help="A file that does not exist; below the home by default.")]


@books.command()
def backup(profile: Profile, to: To = None, as_json: Json = False) -> None:
    """Copy the ledger as it stands, calls under way or not, into one SQLite file that only its owner may read."""
    with explained(as_json), opened(profile) as held:
        name = dt.datetime.now(dt.UTC).strftime("ledger-%Y%m%dT%H%M%SZ.sqlite")
        path = to or held.profile.home.expanduser() / "backups" / name
        held.ledger.backup(path)
        if any(run.state == "running" for run in held.ledger.runs()):
            held.mark_ledger()  # calls go on: from now on this is an older copy
        printed({"backup": str(path)}, as_json, lambda: typer.echo(f"{path}"))


@books.command()
def accept(profile: Profile, who: Who, why: Why, as_json: Json = False) -> None:
    """Accept a new or older ledger for these results: what it has forgotten may be paid again."""
    with explained(as_json), opened(profile) as held:
        held.ledger.decide("accept_ledger", held.ledger.ledger_id, who=who, why=why, decision=uuid.uuid4().hex)
        held.mark_ledger()
        printed({"ledger": held.ledger.ledger_id}, as_json, lambda: typer.echo("accepted"))
