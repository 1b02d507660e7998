"""A file delivered twice: every row of the second carries the verdict of the first, whatever lies between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.reconcile.pointed import Pointed
from tests.nights import Nights
from tests.people import invented


def test_only_rows_that_are_expected_and_noted_are_told() -> None:
    with Pointed() as pointed:
        pointed.expect(["R1", "R2"])
        pointed.expect(["R2"])
        pointed.note([("R1", "verified", True), ("R9", "mismatch", False)])
        assert pointed.of(["R1", "R1", "R2", "R9"]) == {"R1": ("verified", True)}
        assert pointed.of([]) == {}


def test_a_file_delivered_twice_repeats_its_verdicts(
    nights: Callable[..., Nights], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.plan.draft.ROWS_IN_PART", 4)
    night = nights()
    people = [*invented(5), *invented(2, code="2001")]
    night.people(people, "a.csv")
    night.people(people, "b.csv")
    run, found = night.night()
    assert found.outcomes == {"verified": 5, "mismatch": 2, "duplicate": 7}
    rows = night.results[run.run_id].to_pylist()
    assert [row["verdict"] for row in rows[:7]] == [row["verdict"] for row in rows[7:]]
    assert {row["verdict"] for row in rows} == {"verified", "mismatch"}
    assert night.judge().clean
