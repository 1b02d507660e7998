"""Headings find their fields."""

from __future__ import annotations

import pytest

from tasks.ingest import InputError
from tasks.ingest.columns import FIELDS, is_heading, recognise


def test_no_usual_heading_stands_for_two_fields() -> None:
    for field, aliases in FIELDS.items():
        for alias in aliases:
            if field == "customer_no":
                assert recognise("f", [alias], {}).places == {field: 0}
            else:
                assert recognise("f", [alias, "客户号"], {}).places == {field: 0, "customer_no": 1}


@pytest.mark.parametrize(
    "heading",
    [
        "证件号码",
        " 证件号码 ",
        "*证件号码",
        "证件号码（必填）",
        "ID Number",
        "id-number",
        "ＩＤ＿ＮＵＭＢＥＲ",
        "\ufeffid_number",
        "身份证号:",
    ],
)
def test_a_heading_may_be_written_in_many_ways(heading: str) -> None:
    assert recognise("f", [heading, "客户号"], {}).places["id_number"] == 0


def test_the_profiles_mapping_goes_before_the_usual_headings() -> None:
    columns = recognise("f", ["客户号", "姓名", "户名"], {"name": "户名"})
    assert columns.places == {"customer_no": 0, "name": 2}
    assert columns.ignored == ("姓名",)


def test_a_missing_customer_column_names_file_and_column() -> None:
    with pytest.raises(InputError, match=r"list\.csv, column 客户号: no such column") as told:
        recognise("list.csv", ["姓名"], {})
    assert (told.value.file, told.value.column) == ("list.csv", "客户号")


def test_a_mapped_heading_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match="column 户名: no such column"):
        recognise("f", ["客户号"], {"name": "户名"})


def test_a_mapping_of_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'nmae'.*nearest is 'name'"):
        recognise("f", ["客户号"], {"nmae": "户名"})


def test_two_columns_for_one_field_need_a_decision() -> None:
    with pytest.raises(InputError, match="two columns are both id_number"):
        recognise("f", ["客户号", "证件号码", "身份证号"], {})


def test_unknown_headings_are_told_and_not_used() -> None:
    assert recognise("f", ["客户号", "余额", ""], {}).ignored == ("余额",)


def test_a_title_is_no_heading() -> None:
    assert not is_heading(["", "客户号清单"], {})
    assert not is_heading(["客户号", ""], {})
    assert is_heading(["客户号", "姓名"], {})
