"""Void: a run's verdicts, or those of one of its input files, are taken out of force by a person.

They are never relied on again and never served to duplicates; the next night asks those people again. Money stays as it
was spent, outcomes stay what they were, and what is in doubt stays fenced until it is decided. A run that is void, in
whole or in part, is not continued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, or_, select, text

from tasks.ledger.decided import Decision, keep
from tasks.ledger.errors import LedgerError
from tasks.ledger.schema import calls, decisions, runs

_TOGETHER: Final = 500
_OF_RUN: Final = text("UPDATE calls SET voided = 1, set_aside = :decision WHERE run_id = :run_id AND voided = 0")
_OF_RECORDS: Final = text(
    "UPDATE calls SET voided = 1, set_aside = :decision WHERE run_id = :run_id AND voided = 0 AND record_ref IN :refs"
).bindparams(bindparam("refs", expanding=True))


@dataclass(frozen=True, slots=True)
class Voids:
    """What is void of a run: all of it, or some of its files, by their numbers in the plan's own order."""

    whole: Row[Any] | None = None
    files: Mapping[int, Row[Any]] = field(default_factory=dict)

    def of(self, file: int) -> Row[Any] | None:
        """Return the decision that made a file's rows void, or None."""
        return self.whole or self.files.get(file)


def target_of(run_id: str, file: int | None) -> str:
    """Return what a void is about; a file is told by its number, since its name may be personal."""
    return run_id if file is None else f"{run_id}#{file}"


def void(connection: Connection, order: Decision, run_id: str, refs: Sequence[str] | None) -> int:
    """Take a run's calls, or those of some records, out of force, and return how many they were.

    Raises:
        LedgerError: it is void already.
    """
    known = of_run(connection, run_id)
    file = int(order.target.partition("#")[2]) if "#" in order.target else None
    before = known.whole if file is None else known.of(file)
    if before is not None:
        raise LedgerError(f"{order.target} is void already, by {before.who}: {before.why}")
    keep(connection, order)
    values: dict[str, Any] = {"decision": order.decision, "run_id": run_id}
    if refs is None:
        return connection.execute(_OF_RUN, values).rowcount
    parts = [list(refs[start : start + _TOGETHER]) for start in range(0, len(refs), _TOGETHER)]
    return sum(connection.execute(_OF_RECORDS, values | {"refs": part}).rowcount for part in parts)


def of_run(connection: Connection, run_id: str) -> Voids:
    """Return what is void of a run."""
    about = or_(decisions.c.target == run_id, decisions.c.target.startswith(f"{run_id}#", autoescape=True))
    found = list(connection.execute(select(decisions).where(decisions.c.kind == "void", about)))
    files = {int(row.target.partition("#")[2]): row for row in found if "#" in row.target}
    return Voids(next((row for row in found if row.target == run_id), None), files)


def refuse_void(connection: Connection, run_id: str) -> None:
    """Refuse to go on with a run that is void.

    Raises:
        LedgerError: it is, or a file of it.
    """
    found = of_run(connection, run_id)
    if found.whole is not None or found.files:
        raise LedgerError(f"run {run_id} is void and not continued: plan its date again with `run --replan`")


def any_void(connection: Connection) -> bool:
    """Tell whether anything in this ledger is void."""
    counted = select(func.count()).select_from(decisions).where(decisions.c.kind == "void")
    return bool(connection.execute(counted).scalar_one())


def later_runs(connection: Connection, run_id: str) -> list[Row[Any]]:
    """Return the closed runs planned after a run, oldest first: the only ones that can have relied on it."""
    made = select(runs.c.created_us).where(runs.c.run_id == run_id).scalar_subquery()
    chosen = select(runs).where(runs.c.created_us > made, runs.c.revision > 0).order_by(runs.c.created_us)
    return list(connection.execute(chosen))


def voided_among(connection: Connection, names: Sequence[str]) -> set[str]:
    """Return those of some calls that are void."""
    found: set[str] = set()
    for start in range(0, len(names), _TOGETHER):
        part = list(names[start : start + _TOGETHER])
        found.update(
            connection.execute(select(calls.c.call_id).where(calls.c.voided == 1, calls.c.call_id.in_(part))).scalars()
        )
    return found
