"""Who lets a plan spend: the profile up to an amount, above it a person, by the plan's hash or by an envelope."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Final

from sqlalchemy import Connection

from tasks.ledger import Ledger, LedgerError, RunRow, decided
from tasks.ledger.decided import Decision, keep_word, new_id
from tasks.ledger.envelopes import KIND, Terms, sign, take
from tasks.ledger.runs import FINISHED, by_hash, plan_of
from tasks.records.money import to_micros
from tasks.settings import Money

HASH_SHOWN: Final = 8
"""So many characters of its hash name a plan: what a form asks for, and the least that a terminal takes."""


def approved_cap(ledger: Ledger, run: RunRow, money: Money) -> int | None:
    """Return what a run may spend at most (millionths), or None while it waits for a person.

    A plan whose worst case is within `approve_above`, and one that asks nothing, approve themselves; the approved worst
    case becomes the run's cap. An approval names the plan's hash, so it dies with any change of the plan; the newest
    word counts, so a rejected plan stays so until somebody approves it. A plan about which nobody has said a word is
    approved by the night's envelope, where one covers it.
    """
    plan = plan_of(run)
    worst = int(plan["estimate"]["worst"])
    said = verdict(ledger, run.plan_hash)
    if said == "" and worst <= to_micros(money.approve_above):
        said = "approve"
    if said == "":
        asked = {"records": int(plan["records"]), "micros": worst, "now_us": ledger.clock_us()}
        ledger.write(lambda c: take(c, run.profile, run.business_date, run.plan_hash, **asked))
        said = verdict(ledger, run.plan_hash)
    return min(worst, to_micros(money.cap_run)) if said == "approve" else None


def verdict(ledger: Ledger, plan_hash: str) -> str:
    """Return the newest word about a plan: ``approve``, ``reject``, or nothing."""
    return ledger.read(partial(decided.verdict, plan_hash=plan_hash))


def decide(ledger: Ledger, plan_hash: str, kind: str, *, who: str, why: str) -> None:
    """Keep what a person says to a plan."""
    order = Decision(kind, plan_hash, who, why, ledger.clock_us())
    ledger.write(partial(keep_word, order=order))


def hear(ledger: Ledger, plan_hash: str, kind: str, *, who: str, why: str, answer: str) -> None:
    """Keep what a person has said on a form: once by the answer's id, and not against a rejection that came later."""
    order = Decision(kind, plan_hash, who, why, ledger.clock_us(), answer)
    ledger.write(partial(keep_word, order=order, earlier=True))


def say(ledger: Ledger, profile: str, plan_hash: str, kind: str, *, who: str, why: str, answer: str = "") -> RunRow:
    """Keep what a person says to a plan that may still be asked, in whole or in part; return its run.

    `answer`: the id of the answer on a form that this word is given to as well, and by which `hear` knows it then.

    Raises:
        LedgerError: see `planned`; or it is under way, or has come to its end.
    """

    def work(connection: Connection) -> RunRow:
        run = _planned(connection, profile, plan_hash)
        if run.owner and ledger.owner.is_alive(run.owner):
            raise LedgerError(f"run {run.run_id} is under way: `cancel` or `halt` stops it")
        if run.state in FINISHED:
            raise LedgerError(f"run {run.run_id} has been asked to its end: `void` takes its verdicts out of force")
        known = not answer or decided.named(connection, [answer])  # the same word said once more is a new one
        order = Decision(kind, run.plan_hash, who, why, ledger.clock_us(), new_id() if known else answer)
        keep_word(connection, order)
        return run

    return ledger.write(work)


def planned(ledger: Ledger, profile: str, plan_hash: str) -> RunRow:
    """Return the run of a profile whose plan has a hash; its first eight characters will do.

    Raises:
        LedgerError: there is none, or more than one.
    """
    return ledger.read(partial(_planned, profile=profile, plan_hash=plan_hash))


def _planned(connection: Connection, profile: str, plan_hash: str) -> RunRow:
    found = by_hash(connection, profile, plan_hash) if len(plan_hash) >= HASH_SHOWN else []
    if len(found) != 1:
        raise LedgerError(f"{len(found)} plans of {profile} have this hash: copy it from the plan card")
    return found[0]


def envelope(ledger: Ledger, terms: Terms, *, who: str, why: str) -> None:
    """Approve a night's plans before they are made.

    Raises:
        LedgerError: it has expired.
    """
    order = Decision(KIND, f"{terms.profile}:{terms.business_date}", who, why, ledger.clock_us())
    if terms.until_us <= order.at_us:
        raise LedgerError("this envelope has expired before it is signed: name a later date")
    ledger.write(partial(sign, order=order, terms=terms))


def end_of(day: dt.date, zone: dt.tzinfo) -> int:
    """Return the moment at which a day ends in a zone, in microseconds since 1970 UTC."""
    return int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone).timestamp() * 1_000_000)
