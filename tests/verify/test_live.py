"""What is shown while a night runs: rates of the last minute, and a log that can be read at any size."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.verify.progress import LATELY_S, Progress
from tasks.verify.turns import LONGEST_S, Turns


def lines_in(seconds: int, step: int = 5) -> list[int]:
    turns = Turns(0.0)
    return [now for now in range(step, seconds, step) if turns.due(now)]


def test_a_million_records_are_a_log_one_can_read() -> None:
    at_ten_a_second = lines_in(100_000)
    assert len(at_ten_a_second) < 200
    assert lines_in(600) == list(range(60, 600, 60))


@given(st.integers(60, 400_000))
def test_it_is_never_silent_for_long(seconds: int) -> None:
    spoken = [0, *lines_in(seconds)]
    assert max((after - before for before, after in pairwise(spoken)), default=0) <= LONGEST_S + 5
    assert seconds - spoken[-1] <= LONGEST_S + 5


def test_the_rate_is_that_of_the_last_minute_and_tells_when_it_will_end() -> None:
    progress = Progress(total=10_000)
    for second in range(600):
        moves = 10 if second < 300 else 2
        progress.sent += moves
        progress.outcomes["verified"] += moves
        progress.tick(float(second))
    assert progress.calls_per_s == 2
    assert progress.left_s == (10_000 - progress.records_done) / 2
    assert len(progress.seen) <= LATELY_S + 2


def test_nothing_that_moves_has_no_end() -> None:
    progress = Progress(total=10)
    progress.tick(0.0)
    progress.tick(1.0)
    assert progress.calls_per_s == 0
    assert progress.left_s is None
