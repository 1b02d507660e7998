"""Records that a person has asked again in their own run: which may be, and what that sets aside.

A redrive settles the doubts it is told to settle, sets aside how its records had ended, and leaves the rest to the same
verify. Until it has asked, the records keep the ends they had; a question is asked once by it, however often it is
pressed, since pressing it again goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, or_, select, text

from tasks.ledger import calls as call_rows
from tasks.ledger.decided import Decision, keep
from tasks.ledger.ends import deciding, ended, written_off
from tasks.ledger.errors import LedgerError
from tasks.ledger.runs import LEAVING, NOTHING_STAGED
from tasks.ledger.schema import calls, unsent
from tasks.ledger.voids import refuse_void

KINDS: Final = ("failed", "resent", "in_doubt", "unreadable", "written_off")
"""What may be asked again; the last three are settled by saying so."""

_TOGETHER: Final = 500
_GO_ON: Final = text("UPDATE runs SET state = 'running', ended_us = NULL WHERE run_id = :run_id")
_SETTLE: Final = text("UPDATE calls SET open = 0, decision = :decision WHERE call_id = :name AND open = 1")
_ASIDE: Final = text(
    "UPDATE calls SET set_aside = :decision WHERE run_id = :run_id AND record_ref = :ref AND set_aside = ''"
)
_OTHER_ASIDE: Final = text("UPDATE calls SET set_aside = :decision WHERE call_id = :name AND set_aside = ''")
_NOTE_ASIDE: Final = text(
    "UPDATE unsent SET set_aside = :decision WHERE run_id = :run_id AND record_ref = :ref AND set_aside = ''"
)


@dataclass(frozen=True, slots=True)
class Open:
    """A record that may be asked again: how it ended, its call (perhaps another run's), and its family where known."""

    record_ref: str
    kind: str
    call: Row[Any] | None
    family: str


def open_records(connection: Connection, run_id: str) -> list[Open]:
    """Return a run's records that may be asked again, each with its kind."""
    refs = sorted(set(connection.execute(_CANDIDATES, {"run_id": run_id}).scalars()))
    found: list[Open] = []
    for start in range(0, len(refs), _TOGETHER):
        found += _opened(connection, run_id, refs[start : start + _TOGETHER])
    return found


def begin(connection: Connection, order: Decision, kinds: Collection[str]) -> list[Open]:
    """Set aside how the chosen records ended, settle their doubts, and let the run go on; return the records.

    A run that a redrive has begun and not ended goes on with what that one chose; nothing is chosen anew.

    Raises:
        LedgerError: the run is void, was never closed, or its staged records are gone.
    """
    run = connection.execute(_RUN, {"run_id": order.target}).one()
    refuse_void(connection, order.target)
    if run.state == "running" and (left := pending(connection, order.target)):
        return left
    if run.state in {"planned", "running"}:
        raise LedgerError(f"run {order.target} was never closed: start its date again, or `close` it first")
    chosen = [one for one in open_records(connection, order.target) if one.kind in kinds]
    if chosen and run.kept_chunks in {NOTHING_STAGED, LEAVING}:
        raise LedgerError(f"the staged records of run {order.target} are gone: the next night asks what is due")
    if chosen:
        keep(connection, order)
        for one in chosen:
            _set_aside(connection, order, one)
        connection.execute(_GO_ON, {"run_id": order.target})
    return chosen


def pending(connection: Connection, run_id: str) -> list[Open]:
    """Return the records that a redrive has chosen and not yet brought to an end."""
    found = open_records(connection, run_id)
    refs = [one.record_ref for one in found]
    done: set[str] = set()
    for start in range(0, len(refs), _TOGETHER):
        part = refs[start : start + _TOGETHER]
        done |= ended(call_rows.of_records(connection, run_id, part), _notes(connection, run_id, part))
        done |= set(part) - chosen_again(connection, run_id, part)
    return [one for one in found if one.record_ref not in done]


def chosen_again(connection: Connection, run_id: str, refs: Sequence[str]) -> set[str]:
    """Return those records that a redrive of the run has chosen at some time."""
    values = {"run_id": run_id, "refs": list(refs)}
    return set(connection.execute(_CHOSEN, values).scalars())


_RUN: Final = text("SELECT state, kept_chunks FROM runs WHERE run_id = :run_id")
_REFS: Final[Any] = bindparam("refs", expanding=True)
_CANDIDATES: Final = (
    select(calls.c.record_ref)
    .where(
        calls.c.run_id == bindparam("run_id"),
        calls.c.voided == 0,
        or_(calls.c.outcome.in_(("failed", "unreadable")), calls.c.state == "in_doubt"),
    )
    .union(
        select(unsent.c.record_ref).where(
            unsent.c.run_id == bindparam("run_id"), unsent.c.outcome.in_(("failed", "unreadable", "in_doubt"))
        )
    )
)
_CHOSEN: Final = (
    select(calls.c.record_ref)
    .where(
        calls.c.run_id == bindparam("run_id"),
        calls.c.record_ref.in_(_REFS),
        calls.c.set_aside != "",
        calls.c.voided == 0,
    )
    .union(
        select(unsent.c.record_ref).where(
            unsent.c.run_id == bindparam("run_id"), unsent.c.record_ref.in_(_REFS), unsent.c.set_aside != ""
        )
    )
)


def _opened(connection: Connection, run_id: str, refs: Sequence[str]) -> Iterable[Open]:
    mine: dict[str, list[Row[Any]]] = {}
    for call in call_rows.of_records(connection, run_id, refs):
        mine.setdefault(call.record_ref, []).append(call)
    notes = {note.record_ref: note for note in _notes(connection, run_id, refs)}
    pointed = call_rows.named(connection, [note.open_call for note in notes.values() if note.open_call])
    others = {call.call_id: call for call in pointed}
    for ref in refs:
        calls_of = mine.get(ref, [])
        last = deciding(calls_of, notes.get(ref))
        noted = last is not None and last is notes.get(ref)
        about: Row[Any] | None = others.get(last.open_call) if noted and last is not None else last
        kind = _kind_of_call(about) if about is not None else str(last.outcome if last is not None else "")
        if kind in KINDS:
            yield Open(ref, kind, about, calls_of[-1].family if calls_of else str(about.family if about else ""))


def _kind_of_call(call: Row[Any]) -> str:
    waits = call.state == "in_doubt" or call.answer == "unreadable"
    if written_off(call):
        return "written_off"
    if not call.open and (not call.outcome or (waits and call.outcome == "unreadable")):
        return "resent"
    return str(call.outcome or ("in_doubt" if waits else ""))


def _set_aside(connection: Connection, order: Decision, one: Open) -> None:
    values = {"decision": order.decision, "run_id": order.target, "ref": one.record_ref}
    if one.call is not None:
        connection.execute(_SETTLE, {"decision": order.decision, "name": one.call.call_id})
        connection.execute(_OTHER_ASIDE, {"decision": order.decision, "name": one.call.call_id})
    connection.execute(_ASIDE, values)
    connection.execute(_NOTE_ASIDE, values)


def _notes(connection: Connection, run_id: str, refs: Sequence[str]) -> list[Row[Any]]:
    chosen = select(unsent).where(unsent.c.run_id == run_id, unsent.c.record_ref.in_(refs))
    return list(connection.execute(chosen))
