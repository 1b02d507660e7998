"""Why a record ended as it did, by its reference or its place in the input; nothing personal is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial

import orjson
import pytest

from flows.stories import story_of, told
from tasks.ledger import LedgerError
from tasks.ledger.doubts import Chosen, decide_all
from tests.nights import Nights
from tests.people import fixed, invented

Make = Callable[..., Nights]
SECOND = dt.date(2026, 11, 25)


def test_a_record_is_found_by_place_and_by_reference_and_its_story_is_whole(nights: Make) -> None:
    night = nights()
    people = [*invented(2), fixed("504"), fixed("IVS.0101 once")]
    night.people([*people, people[0]])
    first, _ = night.whole()
    second, _ = night.whole(business_date=SECOND)
    night.runtime.ledger.write(partial(decide_all, chosen=Chosen(), order=night.order("write-off", why="too old")))
    night.end(first)
    story = story_of(night.runtime, "people.csv:4", 10)
    assert story == story_of(night.runtime, story["record_ref"], 10)
    assert [(row["run_id"], row["outcome"], row["reason"]) for row in story["rows"]] == [
        (second.run_id, "failed", "written_off"),
        (first.run_id, "failed", "written_off"),
    ]
    assert [(call["run_id"], call["state"], call["amount"]) for call in story["calls"]] == [
        (first.run_id, "in_doubt", "0.50")
    ]
    assert [note["outcome"] for note in story["without_a_call"]] == ["in_doubt"]
    assert [(one["kind"], one["why"]) for one in story["decisions"]] == [("write-off", "too old")]
    for language in ("zh", "en", "both"):
        said = told(story, language)  # type: ignore[arg-type]
        assert "too old" in said
        assert first.run_id in said
    assert "核销 · Li (unverified) · too old" in told(story, "zh")
    retried = story_of(night.runtime, "people.csv:5", 10)
    assert [call["state"] for call in retried["calls"]] == ["refused", "answered"]
    duplicate = story_of(night.runtime, "people.csv:6", 10)
    assert (duplicate["rows"][0]["outcome"], duplicate["calls"]) == ("duplicate", [])
    everything = orjson.dumps([story, retried, duplicate]).decode() + told(duplicate, "both")
    assert not any(name in everything or number in everything for name, number in people)


@pytest.mark.parametrize("typed", ["440524188001010014", "R12", "people.csv", "张三"])
def test_what_names_no_record_is_not_repeated(nights: Make, typed: str) -> None:
    night = nights()
    night.people(invented(1))
    night.plan()
    with pytest.raises(LedgerError, match="never by a number") as error:
        story_of(night.runtime, typed, 10)
    assert typed not in str(error.value) or typed == "R12"


@pytest.mark.parametrize("typed", ["RAAAAAAAAAAAAAAA", "people.csv:99", "other.csv:2"])
def test_a_record_that_is_not_there_is_one_line(nights: Make, typed: str) -> None:
    night = nights()
    night.people(invented(1))
    night.plan()
    with pytest.raises(LedgerError, match="^no "):
        story_of(night.runtime, typed, 10)
