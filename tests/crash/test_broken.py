"""A proof that does not catch its break proves nothing. The long form: python -m tests.crash.broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.crash.broken import BREAKS, caught


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: one.__name__)
def test_each_fence_that_is_taken_away_is_missed_by_the_check_that_is_meant_for_it(broken: Callable[[], None]) -> None:
    _, check = caught(broken, 40)
    assert BREAKS[broken] in check, check or "nothing was noticed"
