"""Decisions in any order: what holds after each of them, by seed.

    python -m tests.flows.any_order [seeds] [first]      the long form: 50 1

A night's people are asked through losses and refusals; then people decide at random: resend, write off, redrive, void,
another night, close again. After each step every revision of every run has every row once, nothing is asked without a
decision, and a second close changes nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.voids import void_now
from tasks.ledger import LedgerError
from tasks.ledger.doubts import Chosen, decide_all
from tests.people import invented

if TYPE_CHECKING:
    from tests.nights import Nights

KINDS = ("failed", "resent", "in_doubt", "unreadable", "written_off")


@contextmanager
def refused_as_void() -> Iterator[None]:
    """Let a step be refused for that one reason."""
    try:
        yield
    except LedgerError as error:
        if "is void" not in str(error):
            raise


class Story:
    """One profile's nights and decisions, played from a seed."""

    def __init__(self, night: Nights, seed: int) -> None:
        self.night, self.dice = night, random.Random(seed)
        self.date = dt.date(2026, 11, 23)
        self.runs: list[Any] = []
        self.done: Counter[str] = Counter()
        night.people(invented(6, seed), "a.csv")
        night.people(invented(4, seed + 1_000), "b.csv")

    def play(self, steps: int) -> None:
        self.another_night()
        for _ in range(steps):
            step = self.dice.choice(
                [self.settle, self.settle, self.redrive, self.redrive, self.void, self.another_night]
            )
            step()
            self.check()

    def weather(self) -> None:
        """Lose some of the next answers, spoil others, refuse the rest of the unlucky."""
        places = self.dice.sample(range(1, 9), 4)
        faults = [("reset_after", places[:2]), ("truncated", places[2:3]), ("reset_before", places[3:])]
        self.night.twin.faults(*({"fault": name, "match": {"nth": nth}} for name, nth in faults))

    def another_night(self) -> None:
        self.date += dt.timedelta(days=1)
        self.weather()
        run, _ = self.night.whole(business_date=self.date)
        self.runs.append(run)
        self.done["night"] += 1

    def settle(self) -> None:
        doubts = self.night.runtime.ledger.doubts()
        chosen = [call.call_id for call in doubts if self.dice.random() < 0.5]
        if chosen:
            kind = self.dice.choice(["resend", "write-off"])
            order = self.night.order(kind)
            self.night.runtime.ledger.write(partial(decide_all, chosen=Chosen(tuple(chosen)), order=order))
            self.done[kind] += len(chosen)

    def redrive(self) -> None:
        self.weather()
        kinds = self.dice.sample(KINDS, self.dice.randint(1, len(KINDS)))
        with refused_as_void():
            self.done["redrive"] += self.night.redrive(self.dice.choice(self.runs), *kinds)

    def void(self) -> None:
        if self.dice.random() < 0.5:
            return
        run, file = self.dice.choice(self.runs), self.dice.choice(["", "a.csv", "b.csv"])
        with refused_as_void():
            void_now(self.night.runtime, run.run_id, file, who="Li", why="wrong pictures")
            self.done["void"] += 1

    def check(self) -> None:
        for run in self.runs:
            ended = self.night.end(run)
            assert self.night.end(run) == ended, "closed twice: the same revision"
            assert sum(ended["records"]["outcomes"].values()) == 10
            self.done["revisions"] = max(self.done["revisions"], ended["revision"])
        found = self.night.judge()
        assert found.clean, str(found)


def main() -> None:
    seeds, first = (int(word) for word in [*sys.argv[1:], "50", "1"][:2])
    os.environ["ANY_ORDER"] = f"{first} {first + seeds}"
    sys.exit(pytest.main(["-q", "-s", "-p", "no:cacheprovider", str(Path(__file__).with_name("test_any_order.py"))]))


if __name__ == "__main__":
    main()
