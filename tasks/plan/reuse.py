"""What the ledger already knows about a question: an answer that still serves, and what was found before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from tasks.records import PAID_ANSWERS, Outcome

_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """An earlier answer: whose, when, and what it said."""

    call_id: str
    run_id: str
    outcome: str
    code: str
    at_us: int

    @property
    def at(self) -> str:
        """The answer's time, ISO 8601 UTC."""
        return iso_utc(self.at_us)


class Past:
    """What the ledger says of some questions, each looked up under every key held.

    Args:
        calls: all calls of the questions.
    """

    def __init__(self, calls: Sequence[Row[Any]]) -> None:
        self._answers = latest_answers(calls)
        self._open = {call.question for call in calls if call.open}

    def known(self, names: Sequence[str]) -> Known | None:
        """Return the latest answer to a question, whichever of its names it was given under."""
        found = [self._answers[name] for name in names if name in self._answers]
        return max(found, key=lambda known: known.at_us, default=None)

    def open_under(self, names: Sequence[str]) -> int:
        """Return which of a question's names has an open call, else 0: asked under that name it meets its fence."""
        return next((place for place, name in enumerate(names) if name in self._open), 0)


def latest_answers(calls: Sequence[Row[Any]]) -> dict[str, Known]:
    """Return each question's latest answer that a later night may rely on."""
    found: dict[str, Known] = {}
    for call in calls:
        before = found.get(call.question)
        if call.outcome in PAID_ANSWERS and not call.open and (before is None or call.ended_us >= before.at_us):
            code = call.verification_code or call.code
            found[call.question] = Known(call.call_id, call.run_id, call.outcome, code, call.ended_us)
    return found


def still_serves(known: Known, reverify_days: Mapping[Outcome, int], as_of_us: int) -> bool:
    """Tell whether an answer's clock is still running at `as_of_us`; an outcome without a clock never serves."""
    days = reverify_days.get(Outcome(known.outcome), 0)
    return known.at_us + days * _DAY_US > as_of_us


def iso_utc(at_us: int) -> str:
    """Return microseconds since 1970 as ISO 8601 UTC text, to the second."""
    return dt.datetime.fromtimestamp(at_us // 1_000_000, tz=dt.UTC).isoformat().replace("+00:00", "Z")
