"""Envelopes: what somebody approves of a night before its plan is made, up to so many records and so much money.

What a plan that it approves holds and costs at worst is taken from it, so that the night's plans, a pilot or the plan
of files that came late included, share it. The newest envelope of a night counts alone, for what those before it have
approved as well: signed twice, it is worth no more than once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select, text

from tasks.ledger.decided import Decision, keep
from tasks.ledger.schema import decisions, envelopes

KIND: Final = "envelope"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an envelope covers: one night of one profile, at most so many rows and millionths, until a moment."""

    profile: str
    business_date: dt.date
    most_records: int
    most_micros: int
    until_us: int


_TAKE: Final = text(
    "UPDATE envelopes SET records = records + :records, micros = micros + :micros WHERE decision = :decision "
    "AND records + :records <= most_records AND micros + :micros <= most_micros AND until_us > :now_us "
    "AND NOT EXISTS (SELECT 1 FROM decisions WHERE target = :plan_hash AND kind IN ('approve', 'reject'))"
)


def sign(connection: Connection, order: Decision, terms: Terms) -> None:
    """Keep an envelope, and who signed it."""
    keep(connection, order)
    before = _newest(connection, terms.profile, terms.business_date)
    taken = {"records": before.records, "micros": before.micros} if before is not None else {}
    signed_us = max(order.at_us, before.signed_us + 1) if before is not None else order.at_us
    values = {"decision": order.decision, "signed_us": signed_us, **asdict(terms), **taken}
    connection.execute(envelopes.insert().values(**values))


def take(
    connection: Connection, profile: str, night: dt.date, plan_hash: str, *, records: int, micros: int, now_us: int
) -> None:
    """Approve a plan by its night's envelope, where one covers it and nobody has said a word about the plan.

    The approval is a decision like a person's own, in the name of who signed: it holds after the envelope has expired.
    """
    if (newest := _newest(connection, profile, night)) is None:
        return
    asked = {"records": records, "micros": micros, "now_us": now_us, "plan_hash": plan_hash}
    if connection.execute(_TAKE, asked | {"decision": newest.decision}).rowcount == 1:
        keep(connection, Decision("approve", plan_hash, newest.who, f"{KIND} {newest.decision}", now_us))


def _newest(connection: Connection, profile: str, night: dt.date) -> Row[Any] | None:
    chosen = (
        select(envelopes, decisions.c.who)
        .join(decisions, decisions.c.decision == envelopes.c.decision)
        .where(envelopes.c.profile == profile, envelopes.c.business_date == night)
        .order_by(envelopes.c.signed_us.desc())
    )
    return connection.execute(chosen).first()
