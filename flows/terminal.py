"""What the terminal says: a run's summary, exit codes, and one line for what a person can mend."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from tasks.records.money import from_micros
from tasks.text import Text

EXIT: Final = {"completed": 0, "completed_with_exceptions": 3, "failed": 1}
_USAGE: Final = frozenset({"ProfileError", "MissingSecretError", "PriceError", "Misconfigured", "StoreNotStartedError"})
_ERRORS: Final = frozenset(
    {
        "WrongLedgerError", "LedgerUnavailableError", "LedgerError", "RunBusyError", "StagingError",
        "NotConservedError", "ContractError", "Unavailable", "Forbidden", "Missing", "ProviderNotStartedError",
        "FencedError", "TokenError", "PrefectNotStartedError", "NotRegisteredError",
    }
)  # fmt: skip


def exit_code(state: str) -> int:
    """Return the exit code of a run's state."""
    return EXIT.get(state, 4)


def explain(error: BaseException) -> tuple[int, str | None, str]:
    """Return exit code, line and state for an error; no line for what is a fault of the program."""
    for name in (kind.__name__ for kind in type(error).__mro__):
        if name == "InputError":
            return 4, f"{error}; no call was made", "stopped_input"
        if name in _USAGE:
            return 2, str(error), "failed"
        if name in _ERRORS:
            return 1, str(error), "failed"
    return 1, None, "failed"


def doubt_of(row: Any) -> dict[str, str]:
    """Return what people see of a call that waits for them."""
    kind = "unreadable" if row.answer == "unreadable" else "in_doubt"
    money = str(from_micros(row.price_micros))
    told = {"call_id": row.call_id, "kind": kind, "record_ref": row.record_ref, "operation": row.operation}
    return told | {"run_id": row.run_id, "sent_at": utc(row.sent_us), "amount": money}


def decision_of(row: Any) -> dict[str, str]:
    """Return what people see of a decision; nobody vouches for the name."""
    told = {"at": utc(row.at_us), "kind": row.kind, "target": row.target, "who": f"{row.who} (unverified)"}
    return told | {"why": row.why, "decision": row.decision}


def call_of(row: Any) -> dict[str, Any]:
    """Return a call's life as people read it."""
    names = ("call_id", "run_id", "operation", "attempt", "state", "answer", "charge", "status", "code", "outcome")
    told = {name: getattr(row, name) for name in (*names, "verification_code", "request_id", "decision")}
    ended = utc(row.ended_us) if row.ended_us else ""
    return told | {"sent_at": utc(row.sent_us), "ended_at": ended, "amount": str(from_micros(row.price_micros))}


def unsent_of(row: Any) -> dict[str, str]:
    """Return what is written of a record where no call of its run decided."""
    return {name: getattr(row, name) for name in ("run_id", "outcome", "reason", "open_call")} | {"at": utc(row.at_us)}


def utc(at_us: int) -> str:
    """Return microseconds since 1970 as ISO 8601 UTC."""
    return dt.datetime.fromtimestamp(at_us / 1_000_000, tz=dt.UTC).isoformat(timespec="milliseconds")


def print_run(ended: dict[str, Any], text: Text, *, as_json: bool) -> None:
    """Print how a run ended: a table for people, or one JSON object."""
    if as_json:
        if "error" in ended:
            sys.stderr.write(f"ivs-backfill: {ended['error']}\n")
        sys.stdout.write(orjson.dumps(ended).decode() + "\n")
        return
    if "error" in ended:
        sys.stderr.write(f"ivs-backfill: {ended['error']}\n{text('state.' + ended['state'])}\n")
        return
    console = Console()
    console.print(_table(ended, text))
    money = ended["run_money"]
    calls = ended["run_calls"]
    console.print(
        f"{text('report.sent')} {calls['sent']} · {text('report.answered')} {calls['answered']} · "
        f"{text('report.refused')} {calls['refused']} · {text('report.in_doubt')} {calls['in_doubt']}"
    )
    console.print(
        f"{text('report.certain')} {money['certain']} · {text('report.possible')} {money['possible']} · "
        f"{text('report.cap')} {money['cap']} {money['currency']}"
    )
    for name in ("results", "report"):
        console.print(f"{text('demo.' + name)}: {ended[name]}", soft_wrap=True)
    if ended["state"] == "stopped_not_approved":
        console.print(text("plan.waits", profile=ended["profile"], hash=ended["plan_hash"]), soft_wrap=True)
    _print_demo(console, ended, text)


def _table(ended: dict[str, Any], text: Text) -> Table:
    table = Table(title=f"{ended['run_id']} · {text('state.' + ended['state'])}", title_justify="left")
    table.add_column(text("report.outcomes"))
    table.add_column(text("report.records"), justify="right")
    for name, count in sorted(ended["records"]["outcomes"].items(), key=lambda item: -item[1]):
        table.add_row(text(f"outcome.{name}"), str(count))
    table.add_row(text("report.total"), str(ended["records"]["total"]), style="bold")
    return table


def _print_demo(console: Console, ended: dict[str, Any], text: Text) -> None:
    if "as_expected" not in ended:
        return
    if ended["again"]:
        outcomes = ended["records"]["outcomes"]
        reused, doubt = outcomes.get("reused", 0), outcomes.get("in_doubt", 0)
        console.print(text("demo.again", reused=reused, doubt=doubt))
    console.print(text("demo.as_expected" if ended["as_expected"] else "demo.not_as_expected"))
    for line in ended["differences"]:
        console.print(f"  {line}")
