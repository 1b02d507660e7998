"""Calls that may have been paid twice: asked again after a call whose answer was lost and whose money may be spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many calls of a run repeat a doubtful one, and their money (millionths)."""

    calls: int
    micros: int


NONE: Final = Repeats(0, 0)
_OF_RUN: Final = text(
    "SELECT count(*) AS n, coalesce(sum(price_micros), 0) AS micros FROM calls AS repeat "
    "WHERE repeat.run_id = :run_id AND repeat.charge <> 'none' AND EXISTS (SELECT 1 FROM calls AS first "
    "WHERE first.question = repeat.question AND first.call_id <> repeat.call_id AND first.sent_us < repeat.sent_us "
    "AND first.charge <> 'none' AND first.decision <> '')"
)


def of_run(connection: Connection, run_id: str) -> Repeats:
    """Return the calls of a run that a decision let repeat a call which may be, or was, billed without an answer."""
    row = connection.execute(_OF_RUN, {"run_id": run_id}).one()
    return Repeats(int(row.n), int(row.micros))
