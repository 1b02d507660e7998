"""What waits for a person, and how the last nights went, as Prefect's pages show them: references, counts, money."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasks.records import NEEDS_A_PERSON
from tasks.report.markdown import narrow, table
from tasks.report.page import CHINA, money
from tasks.text import Text

MOST_DOUBTS: Final = 50


def doubts_markdown(doubts: Sequence[Any], profile: str, text: Text) -> str:
    """Return the desk of calls that wait for a decision: each with its money, and how to decide it."""
    title = f"# {text('desk.title')}"
    if not doubts:
        return f"{title}\n\n{text('desk.none')}"
    total = money(sum(int(call.price_micros) for call in doubts))
    names = [f"desk.{name}" for name in ("call", "amount", "sent", "record", "operation", "kind")]
    heads, further = narrow(names, text)
    more = len(doubts) - MOST_DOUBTS
    return "\n".join(
        [
            title,
            "",
            *text.lines("desk.count", count=f"{len(doubts):,}", total=total),
            "",
            table(heads, [_doubt(call, text) for call in doubts[:MOST_DOUBTS]]),
            "",
            *further,
            "",
            *([text("desk.more", count=f"{more:,}"), ""] if more > 0 else []),
            *_how(doubts[0].call_id, profile, text),
        ]
    )


def trend_markdown(runs: Sequence[Any], profile: str, text: Text) -> str:
    """Return a profile's last nights, newest first, from what each wrote when it was closed."""
    columns = ("date", "due", "verified", "person", "in_doubt", "left", "certain", "possible", "state")
    heads, further = narrow([f"trend.{name}" for name in columns], text)
    rows = [_night(run, text) for run in runs]
    return "\n".join([f"# {text('trend.title')} · {profile}", "", table(heads, rows), "", *further])


def _how(call_id: str, profile: str, text: Text) -> list[str]:
    words = f"{profile} {call_id} --who … --why …"
    return [
        f"**{text('desk.how')}**",
        "",
        f"- {text('desk.flow')}",
        f"- {text('desk.resend')}: `ivs-backfill in-doubt resend {words}`",
        f"- {text('desk.write_off')}: `ivs-backfill in-doubt write-off {words}`",
    ]


def _doubt(call: Any, text: Text) -> list[str]:
    kind = "unreadable" if call.answer == "unreadable" else "in_doubt"
    sent = dt.datetime.fromtimestamp(call.sent_us / 1_000_000, tz=CHINA)
    words = [text.lines(key)[0] for key in (f"operation.{call.operation}", f"outcome.{kind}")]
    amount = money(int(call.price_micros))
    return [f"`{call.call_id}`", amount, f"{sent:%m-%d %H:%M}", f"`{call.record_ref}`", *words]


def _night(run: Any, text: Text) -> list[str]:
    date, state = f"{run.business_date.isoformat()} · {run.sequence}", text.lines(f"state.{run.state}")[0]
    if not run.closing:
        return [date, *["—"] * 7, state]
    closed: Mapping[str, Any] = json.loads(run.closing)
    outcomes, spent = closed["records"]["outcomes"], closed["run_money"]
    person = sum(outcomes.get(outcome.value, 0) for outcome in NEEDS_A_PERSON)
    named = [outcomes.get(name, 0) for name in ("verified", "in_doubt", "not_attempted")]
    counts = (closed["records"]["total"], named[0], person, *named[1:])
    return [date, *(f"{count:,}" for count in counts), spent["certain"], spent["possible"], state]
