"""A call's life: ``sent -> answered | refused | in_doubt | withdrawn``, and ``in_doubt -> answered`` by its owner.

Each function is one transaction's worth of work on a connection; the writer makes it durable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, exists, func, or_, select, text, union_all
from sqlalchemy.exc import IntegrityError

from tasks.ledger.budget import book, month_scope, night_scope, run_scope, settle
from tasks.ledger.errors import FencedError, OpenQuestionError, StoppedError
from tasks.ledger.schema import calls, unsent
from tasks.ledger.standing import Standing, free_doubt


@dataclass(frozen=True, slots=True)
class Departure:
    """A call about to leave: who asks what for which record, and the worst it can cost (millionths).

    `known_us` is when the last answer to its question was given that its plan knew of; 0 where it knew of none. `also`
    are the question's names under the other keys that are held: what is open or was answered under one of them counts.
    """

    call_id: str
    run_id: str
    epoch: int
    owner: str
    record_ref: str
    chunk: int
    attempt: int
    question: str
    subject: str
    key_id: str
    operation: str
    family: str
    cost_centre: str
    org_code: str
    night: str
    month: str
    sent_us: int
    worst_micros: int
    known_us: int = 0
    also: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, str, str]:
        """The budget scopes the call is booked in: run, night, month."""
        return run_scope(self.run_id), night_scope(self.night), month_scope(self.night, self.month)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended: the two axes, and the provider's words as they came (no personal data among them)."""

    state: str
    answer: str
    charge: str
    ended_us: int
    status: int | None = None
    code: str = ""
    verification_code: str = ""
    verification_result: str = ""
    similarity: str = ""
    request_id: str = ""
    outcome: str = ""
    ocr_name_match: str = ""
    ocr_id_match: str = ""


Price = Callable[[str, int], int]
"""Given a family and the month's certain calls so far, the next call's price in millionths."""

_GATE: Final = text(
    "SELECT epoch, stop, (SELECT value FROM switches WHERE name = 'halt') AS halt, "
    "(SELECT count(*) FROM owners WHERE owner = :owner AND ended_us IS NULL) AS lives, "
    "(SELECT max(call_id) FROM calls WHERE question = :question AND voided = 0 AND set_aside = '' AND open = 0 "
    "AND outcome NOT IN ('', 'unreadable') AND ended_us > :known_us) AS answered "
    "FROM runs WHERE run_id = :run_id"
)
_ALSO: Final = select(calls.c.call_id).where(
    calls.c.question.in_(bindparam("also", expanding=True)),
    or_(
        calls.c.open == 1,
        and_(
            calls.c.voided == 0,
            calls.c.set_aside == "",
            calls.c.outcome.not_in(("", "unreadable")),
            calls.c.ended_us > bindparam("known_us"),
        ),
    ),
)
_INSERT: Final = text(
    "INSERT INTO calls (call_id, run_id, epoch, owner, record_ref, chunk, attempt, question, subject, key_id, "
    "operation, family, cost_centre, org_code, night, month, sent_us, state, charge, open, worst_micros, "
    "price_micros) VALUES "
    "(:call_id, :run_id, :epoch, :owner, :record_ref, :chunk, :attempt, :question, :subject, :key_id, :operation, "
    ":family, :cost_centre, :org_code, :night, :month, :sent_us, 'sent', 'possible', 1, :worst_micros, :worst_micros)"
)
_END: Final = text(
    "UPDATE calls SET state = :state, answer = :answer, charge = :charge, open = :open, price_micros = :price, "
    "ended_us = :ended_us, status = :status, code = :code, verification_code = :verification_code, "
    "verification_result = :verification_result, similarity = :similarity, request_id = :request_id, "
    "outcome = :outcome, ocr_name_match = :ocr_name_match, ocr_id_match = :ocr_id_match "
    "WHERE call_id = :call_id AND state IN ('sent', 'in_doubt')"
)
_TIER: Final = text(
    "INSERT INTO tiers (month, family, calls) VALUES (:month, :family, 1) "
    "ON CONFLICT (month, family) DO UPDATE SET calls = tiers.calls + 1 RETURNING calls"
)
_STATE: Final = text("SELECT state, decision, outcome FROM calls WHERE call_id = :call_id")


def depart(connection: Connection, call: Departure, standing: Standing | None = None) -> None:
    """Write a call as `sent`, if it may leave: epoch, owner, halt, stop flag, answered or open question, caps.

    A doubt in its way is freed where a `standing` decision covers it.

    Raises:
        FencedError, StoppedError, CapReachedError, OpenQuestionError: it may not; nothing is kept.
    """
    gate = connection.execute(_GATE, asdict(call)).one()
    if gate.epoch != call.epoch:
        raise FencedError(f"run {call.run_id} has a newer owner")
    if not gate.lives:
        raise FencedError("this process was taken for dead by another: its calls are in doubt, it may send no more")
    if gate.halt:
        raise StoppedError("halted")
    if gate.stop:
        raise StoppedError(gate.stop)
    if gate.answered or _is_met_under_another_key(connection, call):
        raise OpenQuestionError(f"record {call.record_ref}: its question has an answer that its plan did not know of")
    book(connection, call.scopes, call.worst_micros)
    if standing is not None:
        free_doubt(connection, call, standing)
    try:
        connection.execute(_INSERT, asdict(call))
    except IntegrityError as error:
        raise OpenQuestionError(f"record {call.record_ref}: the same question has an open call") from error


def _is_met_under_another_key(connection: Connection, call: Departure) -> bool:
    values = {"also": call.also, "known_us": call.known_us}
    return bool(call.also) and connection.execute(_ALSO, values).first() is not None


def end(connection: Connection, call: Departure, ending: Ending, price: Price) -> None:
    """Write how a call ended, and turn its booked worst case into what it is now known to cost.

    What was decided about a call while its owner still waited stays decided: a late word does not open it again. Runs
    whose results show the doubt, where they are closed already, get another revision (`doubts.unrevised`).
    """
    before = connection.execute(_STATE, {"call_id": call.call_id}).one()
    if before.state not in {"sent", "in_doubt"} or (before.state == ending.state == "in_doubt"):
        return
    cost = _cost(connection, call, ending, price)
    stays_open = int(not before.decision and (ending.state == "in_doubt" or ending.answer == "unreadable"))
    values = {name: _storable(value) for name, value in asdict(ending).items()}
    values |= {"call_id": call.call_id, "open": stays_open, "price": cost}
    if ending.outcome in {"", "unreadable"}:
        values["outcome"] = before.outcome or ending.outcome
    connection.execute(_END, values)
    if before.state == "in_doubt":
        connection.execute(_LATE, {"run_id": call.run_id, "call_id": call.call_id})
    if ending.charge == "certain":
        settle(connection, call.scopes, worst=call.worst_micros, certain=cost, back=0)
    elif ending.charge == "none":
        settle(connection, call.scopes, worst=call.worst_micros, certain=0, back=1)


_LATE: Final = text(
    "UPDATE runs SET late = late + 1 "
    "WHERE run_id = :run_id OR run_id IN (SELECT run_id FROM unsent WHERE open_call = :call_id)"
)


def withdraw(connection: Connection, call: Departure, ended_us: int) -> None:
    """Take back a call that was written and then let no byte go: no charge, its cap given back."""
    end(connection, call, Ending("withdrawn", "", "none", ended_us), lambda _family, _calls: 0)


def _storable(value: Any) -> Any:
    """Take out what a database can't hold (NUL, lone surrogates): a strange answer is still an answer."""
    return value.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _cost(connection: Connection, call: Departure, ending: Ending, price: Price) -> int:
    if ending.charge == "none":
        return 0
    if ending.charge == "possible":
        return call.worst_micros
    so_far = connection.execute(_TIER, {"month": call.month, "family": call.family}).scalar_one() - 1
    return price(call.family, so_far)


_DOUBT: Final = text(
    "UPDATE calls SET state = 'in_doubt', answer = 'missing', charge = 'possible', ended_us = :now "
    "WHERE state = 'sent' AND owner = :owner"
)


def doubt_all_of(connection: Connection, owner: str, now_us: int) -> int:
    """Put every call a dead owner left `sent` in doubt, and return how many: they may have been executed and billed."""
    return connection.execute(_DOUBT, {"owner": owner, "now": now_us}).rowcount


_BY_RECORD: Final = (
    calls.select()
    .where(calls.c.run_id == bindparam("run_id"), calls.c.record_ref.in_(bindparam("refs", expanding=True)))
    .order_by(calls.c.sent_us, calls.c.attempt)
)
_BY_QUESTION: Final = (
    calls.select()
    .where(
        calls.c.question.in_(bindparam("questions", expanding=True)),
        or_(and_(calls.c.voided == 0, calls.c.set_aside == ""), calls.c.open == 1),
    )
    .order_by(calls.c.sent_us)
)


def of_records(connection: Connection, run_id: str, refs: Sequence[str]) -> list[Row[Any]]:
    """Return a run's calls for some records, oldest first."""
    return list(connection.execute(_BY_RECORD, {"run_id": run_id, "refs": list(refs)}))


def of_questions(connection: Connection, questions: Sequence[str]) -> list[Row[Any]]:
    """Return all calls of some questions that stand or are open, whichever run asked, oldest first."""
    return list(connection.execute(_BY_QUESTION, {"questions": list(questions)}))


_STANDS: Final = or_(calls.c.open == 1, and_(calls.c.outcome != "", or_(calls.c.set_aside == "", calls.c.voided == 1)))
_CALLED: Final = (
    select(calls.c.chunk, func.count(calls.c.record_ref.distinct()).label("n"))
    .where(calls.c.run_id == bindparam("run_id"), _STANDS)
    .group_by(calls.c.chunk)
)
_SAME: Final = and_(calls.c.run_id == unsent.c.run_id, calls.c.record_ref == unsent.c.record_ref)
_NOTED: Final = (
    select(unsent.c.chunk, func.count().label("n"))
    .where(unsent.c.run_id == bindparam("run_id"), unsent.c.set_aside == "", ~exists().where(_SAME, _STANDS))
    .group_by(unsent.c.chunk)
)
_ENDED: Final = union_all(_CALLED, _NOTED)


def ended_by_chunk(connection: Connection, run_id: str) -> Counter[int]:
    """Count the records of each chunk of a run that have an end that stands, by a call or without one."""
    found: Counter[int] = Counter()
    for row in connection.execute(_ENDED, {"run_id": run_id}):
        found[row.chunk] += row.n
    return found


_BY_NAME: Final = calls.select().where(calls.c.call_id.in_(bindparam("names", expanding=True)))


def named(connection: Connection, names: Sequence[str]) -> list[Row[Any]]:
    """Return calls by their ids."""
    return list(connection.execute(_BY_NAME, {"names": list(names)}))


def anew(call: Departure, *, call_id: str, attempt: int, sent_us: int) -> Departure:
    """Return the next attempt's departure: a new call with its own id."""
    return replace(call, call_id=call_id, attempt=attempt, sent_us=sent_us)
