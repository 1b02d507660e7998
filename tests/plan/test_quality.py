"""What planning notices for free: customers whose rows disagree, documents that have expired."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq

from tasks.ledger.runs import plan_of
from tasks.plan.build import Build
from tasks.plan.draft import Draft
from tasks.plan.reuse import Past
from tasks.plan.screen import Screen
from tasks.plan.seen import Seen
from tasks.privacy import Personal
from tasks.records import Record
from tests.media.pictures import picture
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]


def test_a_customer_whose_rows_differ_is_found_over_batches_and_within_one() -> None:
    with Seen() as seen:
        assert seen.conflicts([("C1", ("a", "1"), "f:2"), ("C2", ("b", "2"), "f:3"), ("C1", ("a", "9"), "f:4")]) == [
            "",
            "",
            "f:2",
        ]
        assert seen.conflicts([("C3", ("a",), "g:2")]) == [""]
        assert seen.conflicts([("C1", ("a", "1"), "g:3"), ("C2", ("x", "2"), "g:4")]) == ["", "f:3"]


def write(night: Nights, name: str, *lines: tuple[str, ...]) -> None:
    heading = ("customer_no", "name", "id_number", "id_valid_to")
    text = "\n".join(",".join(line) for line in (heading, *lines))
    (night.folder / "records" / name).write_text(f"{text}\n", encoding="utf-8")


def exceptions_of(night: Nights) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = pq.read_table(night.folder / "out-0" / "exceptions.parquet").to_pylist()
    return table


def test_both_rows_of_a_customer_are_asked_and_the_later_is_reported_by_place_alone(nights: Make) -> None:
    night = nights()
    (one, two, three) = invented(3)
    write(night, "a.csv", ("C1", *one, ""), ("C2", *two, ""))
    write(night, "b.csv", ("C1", *three, ""), ("C2", *two, ""))
    run, found = night.night()
    assert plan_of(run)["noted"] == {"conflicting_data": 1}
    assert found.outcomes == {"verified": 3, "duplicate": 1}
    (raised,) = exceptions_of(night)
    assert (raised["class"], raised["reason"], raised["customer_no"]) == (
        "conflicting_data",
        "b.csv:2 <> a.csv:2",
        "C1",
    )
    assert not any(word in str(raised) for person in (one, two, three) for word in person)
    assert night.judge().clean


def test_an_expired_document_is_its_own_exception_and_changes_nothing_else(nights: Make) -> None:
    night = nights()
    one, two = invented(2)
    write(night, "a.csv", ("C1", *one, "2020-01-01"), ("C2", *two, "长期"))
    run, found = night.night()
    assert plan_of(run)["noted"] == {"expired_document": 1}
    assert found.outcomes == {"verified": 2}
    assert found.exceptions == {"expired_document": 1}
    assert [row["reason"] for row in exceptions_of(night)] == ["2020-01-01"]


def test_the_check_that_was_done_is_the_one_that_was_required_or_none(nights: Make) -> None:
    night = nights()
    heading = "customer_no,name,id_number,required_check,face_key"
    people = invented(4)
    rows = [
        ("C1", *people[0], "id2_text", ""),
        ("C2", *people[1], "id3_text_face", ""),
        ("C3", *people[2], "id3_text_face", "../../etc/passwd"),
        ("C4", *people[3], "anything", ""),
        ("C5", *people[0], "", ""),
    ]
    text = "\n".join([heading, *(",".join(row) for row in rows)])
    (night.folder / "records" / "a.csv").write_text(f"{text}\n", encoding="utf-8")
    night.night()
    told = [
        (row["required_check"], row["performed_check"], row["outcome"], row["reason"])
        for row in next(iter(night.results.values())).to_pylist()
    ]
    assert told == [
        ("id2_text", "id2_text", "verified", ""),
        ("id3_text_face", "", "rejected", "media_missing"),
        ("id3_text_face", "", "rejected", "media_forbidden"),
        ("id2_text", "", "rejected", "bad_data"),
        ("id2_text", "id2_text", "duplicate", ""),
    ]


def test_nothing_that_planning_holds_shows_a_person(nights: Make) -> None:
    night = nights()
    held = night.runtime
    marked = {
        "name": "某标记名",
        "id_number": "440524188001010014",
        "customer_no": "MARKED-1",
        "face_key": "faces/marked.jpg",
    }
    told: dict[str, Any] = {name: Personal(value) for name, value in marked.items()}
    record = Record("a.csv", 2, required_check="id3_text_face", **told)
    (night.folder / "media" / "faces").mkdir()
    (night.folder / "media" / "faces" / "marked.jpg").write_bytes(picture())
    with Seen() as seen:
        draft = Draft(held.staging("s"), held.profile.limits, b"")
        screen = Screen(held.media, held.profile.media, held.names)
        build = Build(held.profile, held.names, held.ledger, screen, draft, seen, dt.date(2026, 11, 24), 1)
        willing = build._prepare(record, "")
        (screened,) = build._screened([willing])
        asked = build._asked(willing, screened)
        build._ask(asked, asked.row, Past([]))
        shown = f"{willing!r} {screened!r} {asked!r} {build!r} {list(draft._open.values())!r} {draft!r} {screen!r}"
    assert "Willing" in shown
    assert not any(value in shown for value in (*marked.values(), "某"))
