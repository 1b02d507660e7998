"""Plans: the check a record gets, what makes two questions the same, chunks, and a hash that notices every change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tasks import ingest
from tasks.plan import PlanKey, load_or_make
from tasks.plan.choose import choose
from tasks.plan.questions import Media, Options, questions, record_ref, subjects
from tasks.plan.rows import expiry_status
from tasks.plan.seen import Seen
from tasks.privacy import Personal, PseudonymKey, Pseudonyms, Secret
from tasks.records import Operation, Outcome, Reason, Record
from tasks.settings import Policy, Rule
from tasks.staging import StagingError
from tests.nights import Nights
from tests.people import invented

NAMES = Pseudonyms([PseudonymKey("k", Secret(b"k" * 32))])
ON = dt.date(2026, 11, 24)
ONE = Record("a.csv", 2, Personal("C1"), name=Personal("张三"), id_number=Personal("440524188001010014"))
FACED = replace(ONE, face_key=Personal("f.jpg"), risk_level="高")


def kept(record: Record, policy: Policy) -> tuple[str, str, str] | None:
    found = choose(record, policy, ON).kept_back
    return (found[0].value, found[1].value, found[2]) if found else None


def test_the_first_rule_that_fits_decides_and_is_named() -> None:
    rules = (
        Rule(name="high", check=Operation.ID3_TEXT_FACE, risk_level=("高",), needs=("face",)),
        Rule(name="card", check=Operation.ID2_IMAGE, needs=("card",)),
    )
    policy = Policy(rules=rules)
    assert (choose(FACED, policy, ON).check, choose(FACED, policy, ON).rule) == (Operation.ID3_TEXT_FACE, "high")
    assert (choose(ONE, policy, ON).check, choose(ONE, policy, ON).rule) == (Operation.ID2_TEXT, "default")
    carded = replace(ONE, card_front_key=Personal("c.jpg"))
    assert choose(carded, policy, ON).rule == "card"


def test_a_row_may_name_its_check_only_where_the_profile_allows_it() -> None:
    asked = replace(FACED, required_check="id3_text_face")
    assert choose(asked, Policy(), ON).rule == "row"
    assert choose(asked, Policy(obey_required_check=False), ON).check is Operation.ID2_TEXT


def test_a_check_that_can_not_be_done_is_rejected_and_never_replaced_by_a_cheaper_one() -> None:
    for check, column in (("id3_text_face", "face_key"), ("id2_image", "card_front_key")):
        assert kept(replace(ONE, required_check=check), Policy()) == ("rejected", "media_missing", column)
    assert kept(replace(ONE, name=None), Policy()) == ("rejected", "bad_data", "name")


@pytest.mark.parametrize(
    ("change", "policy", "wanted"),
    [
        ({"warnings": ("rare_name",)}, {}, ("withheld", "rare_name", "name")),
        ({"warnings": ("rare_name",)}, {"withhold_rare_names": False}, None),
        ({}, {"require_legal_basis": True}, ("withheld", "no_legal_basis", "legal_basis")),
        ({"purpose": "p", "legal_basis": "b"}, {"require_legal_basis": True}, None),
        ({"id_number": Personal("440524201501010019")}, {"minimum_age": 14}, ("withheld", "minor", "id_number")),
        ({}, {"minimum_age": 14}, None),
        (
            {"required_check": "id3_text_video", "video_key": Personal("v")},
            {},
            ("rejected", "bad_data", "required_check"),
        ),
        (
            {"required_check": "id2_image", "card_front_key": Personal("c"), "warnings": ("residence_permit",)},
            {},
            ("rejected", "unsupported_document", "id_type"),
        ),
    ],
)
def test_records_are_kept_back_for_a_reason(change: dict[str, Any], policy: dict[str, Any], wanted: object) -> None:
    assert kept(replace(ONE, **change), Policy(**policy)) == wanted


def asked(record: Record = ONE, check: Operation = Operation.ID2_TEXT, **over: Any) -> str:
    return questions(record, check, over.get("media", {}), over.get("options", Options()), NAMES)[0]


def test_the_same_question_is_one_whoever_asks_it() -> None:
    assert asked() == asked(replace(ONE, source_row=99, customer_no=Personal("C2"), org_code="x"))


@pytest.mark.parametrize(
    "other",
    [
        lambda: asked(replace(ONE, name=Personal("李四"))),
        lambda: asked(replace(ONE, id_number=Personal("11010519491231002X"))),
        lambda: asked(check=Operation.ID3_TEXT_FACE),
        lambda: asked(media={"face": Media("k", "e1", 5)}),
        lambda: asked(media={"face": Media("k", "e2", 5)}),
        lambda: asked(check=Operation.ID3_TEXT_VIDEO, options=Options("1")),
        lambda: asked(check=Operation.ID3_TEXT_VIDEO, options=Options("3")),
    ],
)
def test_everything_that_decides_the_answer_makes_another_question(other: Callable[[], str]) -> None:
    assert other() != asked()


def test_where_an_object_lies_does_not_matter_but_what_it_holds_does() -> None:
    assert asked(media={"face": Media("a", "e", 5)}) == asked(media={"face": Media("b", "e", 5)})


def test_a_person_is_one_in_both_forms_of_the_number() -> None:
    old = replace(ONE, id_number=Personal("110105491231002"))
    new = replace(ONE, id_number=Personal("11010519491231002X"))
    assert subjects(old, NAMES) == subjects(new, NAMES)
    assert subjects(replace(ONE, id_number=None), NAMES) != subjects(ONE, NAMES)


def test_a_reference_is_printable_and_stays_the_same() -> None:
    ref = record_ref(ONE, NAMES)
    assert ref == record_ref(ONE, NAMES) != record_ref(replace(ONE, source_row=3), NAMES)
    assert ref.isascii()
    assert ref.isalnum()
    assert len(ref) == 16


def test_questions_seen_on_disk_remember_who_asked_first() -> None:
    with Seen() as seen:
        assert seen.firsts([("q", "R2"), ("p", "R1"), ("q", "R0")]) == ["R2", "R1", "R2"]
        assert seen.firsts([("o", "R4"), ("a", "R5")]) == ["R4", "R5"]
        assert seen.firsts([("a", "R6"), ("q", "R7"), ("z", "R8")]) == ["R5", "R2", "R8"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("2026-11-24", "expiring"), ("2026-11-23", "expired"), ("20270601", "valid"), ("2027年6月1日", "valid"),
        ("长期", "long_term"), ("", "not_given"), ("2027-02-30", "unclear"), ("soon", "unclear"), ("2026/12/15", "expiring"),
        ("2027-02-22", "expiring"), ("2027-02-23", "valid"), ("2027-6-1 00:00:00", "valid"), ("9999-12-31", "long_term"),
        ("99991231", "long_term"), ("2027111", "unclear"), ("2027-0601", "unclear"), ("20200101-20300101", "valid"),
        ("2020.01.01-2030.01.01", "valid"), ("2010-01-01至2020-01-01", "expired"), ("2020.01.01-长期", "long_term"),
        ("2020年1月1日 ～ 2026年12月1日", "expiring"), ("2020-01-01-soon", "unclear"), ("99999999-20300101", "valid"),
    ],
)  # fmt: skip
def test_the_end_of_a_document_is_told_for_free(text: str, status: str) -> None:
    assert expiry_status(text, ON, 90) == status


Make = Callable[..., Nights]


def test_a_plan_is_found_again_and_its_hash_notices_every_change(nights: Make) -> None:
    night = nights(limits={"canary": {"records": 3}, "chunk_records": 10})
    night.people(invented(30))
    first = night.plan()
    assert night.plan().run_id == first.run_id
    again = night.plan(replan=True)
    assert again.sequence == 2
    assert again.plan_hash != first.plan_hash, "another plan of the night waits for its own approval"

    def made_elsewhere(home: str) -> str:
        """Plan the same night into a fresh ledger, and return the hash."""
        other = Nights(night.profile.model_copy(update={"home": night.folder / home}), night.twin, night.folder)
        made = other.plan()
        other.runtime.close()
        assert made.run_id == first.run_id
        return str(made.plan_hash)

    assert made_elsewhere("a") == first.plan_hash
    night.people(invented(31))
    assert made_elsewhere("b") != first.plan_hash


def test_chunks_hold_what_they_may_and_the_first_of_each_operation_are_canaries(nights: Make) -> None:
    night = nights(limits={"canary": {"records": 3}, "chunk_records": 10})
    night.people(invented(30))
    import json

    plan = json.loads(night.plan().plan)
    chunks = night.runtime.staging(plan["staging"]).manifest(plan["manifest_sha256"]).chunks
    assert [(part.rows, part.canary) for part in chunks] == [(3, True), (10, False), (10, False), (7, False)]
    assert plan["estimate"] == {"minimum": 0, "likely": 15_000_000, "worst": 15_000_000}


def test_staged_parts_show_nothing_and_can_not_be_changed(nights: Make) -> None:
    night = nights()
    people = invented(5)
    night.people(people)
    import json

    plan = json.loads(night.plan().plan)
    staging = night.runtime.staging(plan["staging"])
    manifest = staging.manifest(plan["manifest_sha256"])
    files = [path for path in (night.folder / "staging").rglob("*") if path.is_file()]
    assert len(files) == 3
    for name, number in people:
        assert not any(number.encode() in path.read_bytes() or name.encode() in path.read_bytes() for path in files)
    part = manifest.chunks[0]
    path = next(path for path in files if path.name == part.name)
    held = path.read_bytes()
    path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    with pytest.raises(StagingError, match="not what the plan wrote"):
        staging.read(part)


def test_reasons_and_outcomes_are_closed_lists() -> None:
    assert Reason("bad_data").value == "bad_data"
    with pytest.raises(ValueError, match="nonsense"):
        Outcome("nonsense")


def test_a_plan_that_breaks_off_leaves_no_names_in_the_store(nights: Make) -> None:
    night = nights()
    night.people(invented(30_000))
    staging = night.folder / "staging"
    seen: list[int] = []

    def breaks_off(_told: Any) -> Any:
        for place, batch in enumerate(ingest.read_source(night.runtime.records, night.profile.source)):
            if place == 5:
                seen.append(len([path for path in staging.rglob("*") if path.is_file()]))
                raise ingest.InputError("people.csv", "breaks off")
            yield batch

    with pytest.raises(ingest.InputError):
        load_or_make(night.runtime, PlanKey(ON), breaks_off)
    assert seen[0] > 0
    assert [path for path in staging.rglob("*") if path.is_file()] == []
