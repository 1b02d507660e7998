"""A ledger that has forgotten calls can't start a night: they would be paid again."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tasks import marker
from tasks.ledger import WrongLedgerError
from tasks.runtime import Runtime
from tasks.storage import Unavailable
from tasks.verify import night as night_steps
from tests.databases import Database
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]


def reopen(night: Nights) -> None:
    night.runtime = Runtime(night.profile, night.runtime.secrets)


def refused(night: Nights, said: str) -> None:
    """Neither a check nor a start of verify gets by, and the provider hears nothing."""
    before = len(night.twin.journal())
    with pytest.raises(WrongLedgerError, match=said) as told:
        night.runtime.check_ledger()
    assert "\n" not in str(told.value)
    with pytest.raises(WrongLedgerError, match=said):
        night.night(replan=True)
    assert len(night.twin.journal()) == before


def swapped(night: Nights, change: Callable[[], None]) -> None:
    """Close the ledger, let something happen to its database, and open it again."""
    night.runtime.ledger.close()
    change()
    reopen(night)


def a_night(nights: Make) -> Nights:
    night = nights()
    night.people(invented(5))
    night.night()
    night.runtime.mark_ledger()
    return night


def test_a_lost_ledger_is_refused_until_a_person_accepts(nights: Make, database: Database) -> None:
    night = a_night(nights)
    swapped(night, database.lose)
    refused(night, "the results belong to ledger")
    night.runtime.mark_ledger()
    night.runtime.check_ledger()


def test_an_older_copy_is_refused_until_a_person_accepts(nights: Make, database: Database) -> None:
    night = nights()
    night.people(invented(5))
    night.plan()
    night.runtime.ledger.close()
    copy = database.copy()
    reopen(night)
    night.night()
    swapped(night, partial(database.restore, copy))
    refused(night, "older copy")
    night.runtime.mark_ledger()
    night.runtime.check_ledger()


def test_an_older_copy_with_as_many_calls_is_refused(nights: Make, database: Database) -> None:
    """Between copy and loss nothing was asked, but a decision, an answer or a stop may have been written."""
    night = a_night(nights)
    night.runtime.ledger.close()
    copy = database.copy()
    reopen(night)
    calls = night.runtime.ledger.call_count()
    _, again = night.night(replan=True)
    assert again.outcomes == {"reused": 5}
    assert night.runtime.ledger.call_count() == calls
    swapped(night, partial(database.restore, copy))
    refused(night, "older copy")


def test_a_copy_that_went_on_by_itself_is_refused_in_the_place_of_the_accepted_one(
    nights: Make, database: Database
) -> None:
    """Two ledgers with one id and a common past: whichever the results followed last is the right one."""
    night = a_night(nights)
    night.runtime.ledger.close()
    copy = database.copy()
    reopen(night)
    night.people([*invented(5), *invented(3, 9, "2001")])
    night.night(replan=True)
    night.runtime.ledger.close()
    longer = database.copy()
    database.restore(copy)
    reopen(night)
    night.runtime.mark_ledger()
    swapped(night, partial(database.restore, longer))
    refused(night, "older copy")


def test_the_right_ledger_brought_back_goes_on_and_pays_for_nothing_twice(nights: Make, database: Database) -> None:
    night = a_night(nights)
    night.runtime.ledger.close()
    copy = database.copy()
    database.lose()
    reopen(night)
    refused(night, "the results belong to ledger")
    swapped(night, partial(database.restore, copy))
    _, again = night.night(replan=True)
    assert again.outcomes == {"reused": 5}
    found = night.judge()
    assert found.clean, str(found)
    assert found.counts["billed"] == 5


def test_a_ledger_lost_in_the_middle_of_the_first_night_is_noticed(nights: Make, database: Database) -> None:
    """Nothing has been closed yet: the mark made before the first call is what tells."""
    night = nights()
    night.people(invented(5))
    run = night.plan()
    night.runtime.ledger.close()
    copy = database.copy()
    reopen(night)
    night.verify(run)
    swapped(night, partial(database.restore, copy))
    refused(night, "older copy")
    swapped(night, database.lose)
    refused(night, "the results belong to ledger")


def test_marks_are_made_while_calls_go(nights: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night_steps, "MARK_EVERY_S", 0.01)
    night = nights(limits={"rate_per_s": {"two_factor": 20, "three_factor": 20}})
    night.people(invented(12))
    made: list[Any] = []
    real = night.runtime.mark_ledger
    night.runtime.mark_ledger = lambda: made.append(real())  # type: ignore[method-assign]
    night.night()
    assert len(made) >= 4


def test_where_the_store_cant_be_reached_nothing_starts(nights: Make) -> None:
    night = nights()
    night.people(invented(2))
    run = night.plan()

    class Away:
        def get(self, key: str) -> bytes:
            raise Unavailable("results", "get", key)

    night.runtime.results = Away()  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        night.verify(run)
    assert night.twin.journal() == []


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"calls": "x"}', b"\xff"])
def test_a_marker_nobody_can_read_is_no_marker_to_start_on(nights: Make, text: bytes) -> None:
    night = nights()
    night.runtime.results.put(marker.KEY, text, content_type="application/json")
    with pytest.raises(WrongLedgerError, match="can't be read"):
        night.runtime.check_ledger()
    night.runtime.mark_ledger()
    night.runtime.check_ledger()


def test_a_marker_of_the_first_release_counts_calls(nights: Make) -> None:
    night = a_night(nights)
    held = night.runtime
    for calls in (5, 6):
        told = {"ledger_id": held.ledger.ledger_id, "calls": calls}
        held.results.put(marker.KEY, json.dumps(told).encode(), content_type="application/json")
        if calls == 5:
            held.check_ledger()
    with pytest.raises(WrongLedgerError, match="older copy"):
        held.check_ledger()


def test_old_marks_are_forgotten_but_never_the_newest(nights: Make) -> None:
    from tasks.ledger import marks

    ledger = nights().runtime.ledger
    for name, at in (("a", 0), ("b", 1), ("c", marks.KEPT_US + 2), ("d", marks.KEPT_US + 3)):
        ledger.write(lambda c, name=name, at=at: marks.make(c, name, at))
    assert [ledger.has_mark(name) for name in "abcd"] == [False, False, True, True]
