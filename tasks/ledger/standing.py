"""A standing decision: a doubt is asked again once, by a later night, for so much money a night; set by somebody named.

It is decided in the same transaction that lets the new call leave, and kept like a person's decision. A question that
was decided about before, in whatever way, is never asked again by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Row, text

from tasks.ledger.budget import Cap, open_scopes
from tasks.ledger.decided import Decision, keep


@dataclass(frozen=True, slots=True)
class Standing:
    """What the profile orders about doubts: who set it, and the worst cases that a night may repeat (millionths)."""

    set_by: str
    below_micros: int


class Asking(Protocol):
    """The call about to leave, as far as this decision looks at it."""

    @property
    def question(self) -> str:
        """What it asks."""

    @property
    def night(self) -> str:
        """Whose caps it counts against: profile and business date."""

    @property
    def worst_micros(self) -> int:
        """The worst it can cost."""

    @property
    def sent_us(self) -> int:
        """When it leaves."""


_DOUBT: Final = text(
    "SELECT call_id, night FROM calls AS doubt WHERE question = :question AND open = 1 AND state = 'in_doubt' "
    "AND NOT EXISTS (SELECT 1 FROM calls WHERE question = doubt.question AND decision <> '')"
)
_ROOM: Final = text(
    "UPDATE budget SET possible_micros = possible_micros + :worst, calls = calls + 1 "
    "WHERE scope = :scope AND certain_micros + possible_micros + :worst <= cap_micros"
)
_FREE: Final = text("UPDATE calls SET open = 0, decision = :decision WHERE call_id = :call_id")


def reask_scope(night: str) -> str:
    """Name the scope of what a night may ask again by a standing decision."""
    return f"reask:{night}"


def free_doubt(connection: Connection, call: Asking, standing: Standing) -> bool:
    """Free the doubt that is in a call's way, where the standing decision covers it, and tell whether it did."""
    doubt = connection.execute(_DOUBT, {"question": call.question}).first()
    if doubt is None or not _later(call, doubt):
        return False
    scope = reask_scope(call.night)
    open_scopes(connection, [Cap(scope, standing.below_micros)])
    if connection.execute(_ROOM, {"scope": scope, "worst": call.worst_micros}).rowcount != 1:
        return False
    order = Decision("standing", doubt.call_id, standing.set_by, f"asked again in {scope}", call.sent_us)
    keep(connection, order)
    connection.execute(_FREE, {"decision": order.decision, "call_id": doubt.call_id})
    return True


def _later(call: Asking, doubt: Row[Any]) -> bool:
    """Tell whether a call belongs to a later night than a doubt; nights end with their business date."""
    return call.night.rpartition(":")[2] > str(doubt.night).rpartition(":")[2]
