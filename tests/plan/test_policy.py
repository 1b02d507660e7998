"""The policy table: no record gets less than its table asks, and a table that can't be meant is refused."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.plan.choose import choose, required_check, unfit_column, with_grounds
from tasks.privacy import Personal
from tasks.records import OPERATIONS, Family, Operation, Outcome, Record
from tasks.settings import Policy, ProfileError, Rule, load_profile

ON = dt.date(2026, 11, 24)
ONE = Record("a.csv", 2, Personal("C1"), name=Personal("张三"), id_number=Personal("440524188001010014"))
FACE = Rule(name="high", check=Operation.ID3_TEXT_FACE, risk_level=("高",))
GROUNDS = {"purpose": "p", "legal_basis": "b", "consent_ref": "c"}

keys = st.none() | st.just(Personal("k.jpg"))
records = st.builds(
    lambda **over: replace(ONE, **over),
    risk_level=st.sampled_from(["高", "中", "低", ""]),
    required_check=st.sampled_from(["", "nonsense", *Operation]),
    name=st.none() | st.just(ONE.name),
    id_number=st.none() | st.just(ONE.id_number) | st.just(Personal("440524201501010019")),
    face_key=keys,
    card_front_key=keys,
    video_key=keys,
    legal_basis=st.sampled_from(["", "b"]),
    warnings=st.sampled_from([(), ("rare_name",), ("residence_permit",)]),
)
tables = st.lists(
    st.builds(
        Rule,
        name=st.just("r"),
        check=st.sampled_from(Operation),
        risk_level=st.lists(st.sampled_from(["高", "中", "低"]), max_size=2, unique=True).map(tuple),
        needs=st.lists(st.sampled_from(["face", "card", "video"]), max_size=2, unique=True).map(tuple),
    ),
    max_size=4,
)


def reached(rules: list[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for place, rule in enumerate(rules) if not any(other.covers(rule) for other in rules[:place]))


policies = st.builds(
    lambda rules, **over: Policy(rules=reached(rules), **over),
    rules=tables,
    default_check=st.sampled_from(Operation),
    obey_required_check=st.booleans(),
    video_checks=st.booleans(),
    face_law=st.booleans(),
    minimum_age=st.sampled_from([0, 14]),
    risk_levels=st.sampled_from([(), ("高", "中", "低")]),
)


@given(records, policies)
def test_a_record_that_is_asked_gets_the_check_its_table_requires_and_can_fill_it(
    record: Record, policy: Policy
) -> None:
    found = choose(record, policy, ON)
    assert (found.check, found.rule) == required_check(record, policy)
    if found.kept_back is None:
        assert unfit_column(record, found.check) == ""
    else:
        assert found.kept_back[0] in {Outcome.REJECTED, Outcome.WITHHELD}


@given(records, policies)
def test_a_check_named_in_a_row_never_makes_it_less(record: Record, policy: Policy) -> None:
    by_table = required_check(replace(record, required_check=""), policy)[0]
    if OPERATIONS[by_table].family is Family.THREE_FACTOR:
        assert OPERATIONS[required_check(record, policy)[0]].family is Family.THREE_FACTOR


@given(records, policies)
def test_no_face_is_sent_without_its_grounds_where_the_law_applies(record: Record, policy: Policy) -> None:
    found = choose(record, policy, ON)
    if policy.face_law and OPERATIONS[found.check].family is Family.THREE_FACTOR:
        assert found.kept_back is not None, "no record here has consent, and the profile no assessment"


def test_a_level_that_needs_a_face_is_rejected_without_one() -> None:
    found = choose(replace(ONE, risk_level="高"), Policy(rules=(FACE,)), ON)
    assert found.check is Operation.ID3_TEXT_FACE
    assert found.kept_back == ("rejected", "media_missing", "face_key", "empty")


@pytest.mark.parametrize(
    ("record", "policy", "wanted"),
    [
        (
            {"required_check": "id2-text"},
            {},
            ("rejected", "bad_data", "required_check", "no word that the policy knows"),
        ),
        ({"required_check": "id2-text"}, {"obey_required_check": False}, None),
        (
            {"risk_level": "hgih"},
            {"risk_levels": ("high",)},
            ("rejected", "bad_data", "risk_level", "no word that the policy knows"),
        ),
        ({"risk_level": "high"}, {"risk_levels": ("high",)}, None),
    ],
)
def test_a_word_that_policy_does_not_know_is_no_licence_for_less(record: Any, policy: Any, wanted: object) -> None:
    assert choose(replace(ONE, **record), Policy(**policy), ON).kept_back == wanted


@pytest.mark.parametrize(
    ("record", "policy", "column"),
    [
        ({}, {}, "legal_basis"),
        ({"legal_basis": "b"}, {}, "purpose"),
        ({"legal_basis": "b", "purpose": "p"}, {}, "consent_ref"),
        (GROUNDS, {}, "impact_assessment"),
        (GROUNDS | {"id_number": Personal("440524201501010019")}, {"impact_assessment": "PIA-1"}, "id_number"),
        (GROUNDS, {"impact_assessment": "PIA-1"}, ""),
        ({}, {"impact_assessment": "PIA-1"} | GROUNDS, ""),
        ({}, {"face_law": False}, ""),
    ],
)
def test_faces_need_every_ground_and_an_age(record: Any, policy: Any, column: str) -> None:
    wanted = Policy(default_check=Operation.ID3_TEXT_FACE, **{"face_law": True} | policy)
    kept = choose(with_grounds(replace(ONE, face_key=Personal("f"), **record), wanted), wanted, ON).kept_back
    assert (kept[2] if kept else "") == column
    assert kept is None or kept[0] is Outcome.WITHHELD


def test_an_age_that_nobody_knows_is_too_young_for_a_face() -> None:
    policy = Policy(face_law=True, impact_assessment="PIA-1", default_check=Operation.ID3_IMAGE_FACE, **GROUNDS)
    record = replace(ONE, id_number=None, face_key=Personal("f"), card_front_key=Personal("c"))
    assert choose(with_grounds(record, policy), policy, ON).kept_back == (
        "withheld",
        "minor",
        "id_number",
        "an age that nobody knows",
    )


def test_what_a_row_says_of_its_grounds_stands_before_the_profile() -> None:
    found = with_grounds(replace(ONE, purpose="own"), Policy(**GROUNDS))
    assert (found.purpose, found.legal_basis, found.consent_ref) == ("own", "b", "c")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (({}, {"risk_level": ("高",)}), "'r1' is never reached: 'r0'"),
        (({"risk_level": ("高", "中")}, {"risk_level": ("高",), "needs": ("face",)}), "'r1' is never reached: 'r0'"),
        (({"needs": ("face",)}, {"needs": ("card",)}, {"needs": ("face", "video")}), "'r2' is never reached: 'r0'"),
        (({"risk_level": ("urgent",)},), "unknown level 'urgent': known are 高, 中, 低"),
        (({"risk_level": ("中 ",)},), "did you mean '中'"),
    ],
)
def test_a_table_that_can_not_be_meant_is_refused_in_a_clear_line(rules: tuple[Any, ...], said: str) -> None:
    table = tuple(Rule(name=f"r{place}", check=Operation.ID2_TEXT, **rule) for place, rule in enumerate(rules))
    with pytest.raises(ValidationError, match=said):
        Policy(rules=table, risk_levels=("高", "中", "低"))


def test_rules_that_overlap_but_do_not_cover_are_fine() -> None:
    Policy(
        rules=(FACE, Rule(name="all", check=Operation.ID2_TEXT, needs=("card",)), Rule(name="rest", check=FACE.check))
    )


def test_a_slip_in_the_table_is_one_line_that_names_profile_and_rule(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    rules = "".join(f'[[policy.rules]]\nname = "{name}"\ncheck = "id2_text"\n' for name in "ab")
    path.write_text(f'extends = "nightly"\nname = "p"\n{rules}', encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_profile(str(path))
    assert str(caught.value) == "p.toml: policy.rules: rule 'b' is never reached: 'a' before it fits the same records"
