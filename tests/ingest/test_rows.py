"""A row becomes a record, or says which column keeps it from being one."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.ingest import InputError
from tasks.records import Outcome, Reason, Record, RejectedRow
from tasks.records.layout import Layout
from tasks.records.numbers import check_character

GOOD = "440524188001010014"
HEADING = "客户号,姓名,证件类型,证件号码,机构号,人像照片\n"


@pytest.mark.parametrize(
    "kind", ["", "身份证", "居民身份证", "01", "ID_CARD", "id card", "港澳台居住证", "１１０００１", "临时居民身份证"]
)
def test_cards_and_residence_permits_are_taken(kind: str, read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING}1,测试,{kind},{GOOD},x,\n"})
    assert isinstance(row, Record)


@pytest.mark.parametrize(
    "kind", ["护照", "02", "军官证", "passport", "港澳居民来往内地通行证", "外国人永久居留身份证", "户口簿", "1"]
)
def test_other_documents_are_unsupported(kind: str, read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING}1,测试,{kind},{GOOD},x,\n"})
    assert (row.outcome, row.reason, row.column) == (Outcome.REJECTED, Reason.UNSUPPORTED_DOCUMENT, "id_type")
    assert row.record.customer_no.reveal() == "1"


def permit(region: str) -> str:
    body = f"{region}18800101001"
    return body + check_character(body)


@pytest.mark.parametrize(
    ("kind", "number", "warnings"),
    [
        ("港澳台居住证", permit("810000"), ("residence_permit",)),
        ("", permit("820000"), ("residence_permit",)),
        ("居民身份证", permit("830000"), ("residence_permit",)),
        ("港澳台居住证", GOOD, ("residence_permit", "permit_number")),
        ("港澳台居住证", "", ("residence_permit",)),
        ("居民身份证", GOOD, ()),
    ],
)
def test_a_residence_permit_is_told_by_its_name_or_its_number(
    kind: str, number: str, warnings: tuple[str, ...], read: Any
) -> None:
    (row,) = read({"a.csv": f"{HEADING}1,测试,{kind},{number},x,\n"})
    assert row.warnings == warnings


def test_a_senders_own_code_for_the_identity_card_can_be_told(read: Any) -> None:
    file = {"a.csv": f"{HEADING}1,测试,P01,{GOOD},x,\n2,测试,P02,{GOOD},x,\n"}
    one, two = read(file, Layout(id_types=("P01",)))
    assert isinstance(one, Record)
    assert two.reason == Reason.UNSUPPORTED_DOCUMENT


def test_a_row_without_customer_key_is_bad_data(read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING} ,测试,,{GOOD},x,\n"})
    assert (row.reason, row.column, row.record.source_row) == (Reason.BAD_DATA, "customer_no", 2)


def test_a_ragged_row_is_its_own_problem(read: Any) -> None:
    rows = read({"a.csv": f"{HEADING}1,测试\n2,测试,,{GOOD},x,,,\n3,测试,,{GOOD},x,,extra\n4,测试,,{GOOD},x,\n"})
    assert [isinstance(row, Record) for row in rows] == [False, True, False, True]
    assert rows[0].detail == "2 cells, the heading has 6"


def test_blank_rows_are_no_rows(read: Any) -> None:
    rows = read({"a.csv": f"\n{HEADING}\n,,,,,\n  ,,,,, \n1,测试,,{GOOD},x,\n\n"})
    assert [row.source_row for row in rows] == [6]


def test_a_bad_number_is_kept_as_a_problem_and_never_sent(read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING}1,测试,,440524188001010015,x,\n"})
    assert row.id_number is None
    assert row.problems == (("id_number", "the check digit is wrong"),)


def test_values_are_normalised_and_findings_told(read: Any) -> None:
    (row,) = read({"a.csv": f"{HEADING}1, 阿凡提•测\ue000 ,,11010549 1231002,x,\n"})
    assert row.name.reveal() == "阿凡提·测\ue000"
    assert row.id_number.reveal() == "110105491231002"
    assert row.warnings == ("rare_name", "U+E000->?", "fifteen_digits")


def test_a_key_template_serves_rows_that_name_no_object(read: Any) -> None:
    layout = Layout(media_keys={"face_key": "faces/{org_code}/{customer_no}.jpg", "video_key": "v/{customer_no}.mp4"})
    one, two = read({"a.csv": f"{HEADING}1,测试,,{GOOD},x,\n2,测试,,{GOOD},x,own.jpg\n"}, layout)
    assert one.face_key.reveal() == "faces/x/1.jpg"
    assert two.face_key.reveal() == "own.jpg"
    assert two.video_key.reveal() == "v/2.mp4"


@pytest.mark.parametrize("template", ["{name}.jpg", "{id_number}", "{customer_no.__class__}", "{}", "{customer_no"])
def test_a_key_template_names_only_what_it_may(template: str, read: Any) -> None:
    with pytest.raises(InputError, match="a key template may name"):
        read({"a.csv": HEADING}, Layout(media_keys={"face_key": template}))


def test_a_rejected_row_shows_no_value(read: Any) -> None:
    rows = read({"a.csv": f"{HEADING}KEY-77,欧阳测试,护照,{GOOD},x,secret.jpg\n,欧阳测试,,{GOOD},x,\n"})
    assert all(isinstance(row, RejectedRow) for row in rows)
    for shown in map(repr, rows):
        assert not any(value in shown for value in ("KEY-77", "欧阳", "1880", "secret.jpg"))
