"""Die at the n-th write of the ledger, n = 1, 2, 3 ... until a start ends clean, and let the judge look each time.

    python -m tests.crash.writes      the long form: every commit and every statement, on both databases

A night of six records: opening, claiming, calls, closing, each time from an empty ledger. A second start finishes what
the first left, and the night after pays for nothing again. ``before`` and ``after`` are said of a commit; ``inside``
dies after a single statement, with its transaction half done.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from tasks.local.provider import provider
from tests.crash import driver, worker
from tests.postgres import postgres_server

RECORDS: Final = 6
DIED: Final = 9
_WRITING: Final = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER")


@dataclass(frozen=True, slots=True)
class Deaths:
    """How often a process died, of how many writes."""

    died: int
    writes: int


def die_in_turn(folder: Path, at: Any, make_url: Callable[[], str], when: str, step: int = 1) -> Deaths:
    """Die at every `step`-th write in turn, each time from an empty ledger; return how often.

    Raises:
        AssertionError: a promise was broken; it says at which write.
    """
    died = 0
    for number in itertools.count(1):
        place = folder / f"{when}-{number}"
        place.mkdir()
        at.control("POST", "/reset")
        at.lift_quota()
        driver.prepare(place, at.at, RECORDS, 2_000, ledger=make_url())
        fell = _start(place, number * step, when) == DIED
        died += fell
        _judge(place, at.at, f"{when} write {number * step}", fell=fell)
        if not fell:
            return Deaths(died, number * step)
    raise AssertionError


def _judge(place: Path, at: Any, told: str, *, fell: bool) -> None:
    if fell:
        assert _start(place) == 0, told
    first = driver.judged(place, at, RECORDS)
    assert first.clean, f"{told}: {first}"
    (place / "done").unlink()
    assert _start(place, again=True) == 0
    after = driver.judged(place, at, RECORDS)
    assert after.clean, f"the night after {told}: {after}"
    assert after.counts["billed"] == first.counts["billed"], f"paid again after {told}"


def _start(place: Path, number: int = 0, when: str = "", *, again: bool = False) -> int | None:
    """Start a night in a process of its own, which dies at a write where `number` is not 0; return how it ended."""
    words = (str(place), number, when)
    child = multiprocessing.get_context("fork").Process(target=_one_start, args=words, kwargs={"again": again})
    child.start()
    child.join(120)
    code = child.exitcode
    child.close()
    driver.forgotten(driver.profile_of(place).ledger_url)
    return code


def _one_start(folder: str, number: int, when: str, *, again: bool) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  # a dying process is noisy
    if number:
        (_die_inside if when == "inside" else _die_at_commit)(number, when)
    worker.main(Path(folder), again=again)


def _die_at_commit(number: int, when: str) -> None:
    """Make this process die at its n-th commit of anything: just before it, or just after it is durable."""
    real = Connection._commit_impl
    counted = itertools.count(1)

    def commit(self: Connection) -> None:
        if self.get_execution_options().get("reading"):
            return real(self)
        is_it = next(counted) == number
        if is_it and when == "before":
            os._exit(DIED)
        real(self)
        if is_it:
            os._exit(DIED)
        return None

    Connection._commit_impl = commit  # type: ignore[method-assign]


def _die_inside(number: int, _when: str) -> None:
    """Make this process die when its n-th writing statement is done and its transaction is not."""
    counted = itertools.count(1)

    def after(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(_WRITING) and next(counted) == number:
            os._exit(DIED)

    event.listen(Engine, "after_cursor_execute", after)


def main() -> None:
    from tests.conftest import Twin

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)  # noqa: PTH101
        with postgres_server(Path(name)) as server, provider(Path(name) / "twin") as at:
            twin = Twin(at, Path(name) / "twin")
            ways: dict[str, Callable[[], str]] = {
                "sqlite": lambda: "",
                "postgres": lambda: server.url(server.database()),
            }
            for kind, make_url in ways.items():
                for when in ("before", "after", "inside"):
                    folder = Path(name) / f"{kind}-{when}"
                    folder.mkdir()
                    told = die_in_turn(folder, twin, make_url, when)
                    s = time.perf_counter() - began
                    print(f"{kind}: died {when} each of {told.died} writes, 0 broken ({s:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
