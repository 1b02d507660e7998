"""What is wrong or odd about a row reaches the people who work on it: column and sentence, never the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.reconcile.exceptions import exception_rows
from tasks.reconcile.join import end_of, result_row
from tasks.records.rare import hint
from tasks.text import Text, catalogue
from tests.media.pictures import picture
from tests.nights import Nights
from tests.people import fixed, invented
from tests.reconcile.test_reconcile import FACTS, row

Make = Callable[..., Nights]
ROOT = Path(__file__).resolve().parents[2]
HEADING = "customer_no,name,id_number,id_type,face_key,required_check,risk_level"


def written(night: Nights, *lines: str, name: str = "people.csv") -> None:
    (night.folder / "records" / name).write_text("\n".join([HEADING, *lines, ""]), encoding="utf-8")


def tables(night: Nights, number: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of results and exceptions."""
    folder = night.folder / f"out-{number}"
    return tuple(pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("results", "exceptions"))  # type: ignore[return-value]


def test_a_rejected_row_says_column_and_sentence_in_results_and_in_the_readers_words_in_exceptions(
    nights: Make,
) -> None:
    night = nights(language="zh", policy={"risk_levels": ["高", "低"]})
    name, number = invented(1)[0]
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    written(
        night,
        f"A,{name},{wrong},,,,高",
        f"B,{name},{number},护照,,,高",
        f"C,{name},{number},,,id3_text_face,高",
        f"D,{name},{number},,faces/none.jpg,id3_text_face,高",
        f"E,{name},{number},,,anything,高",
        f"F,{name},{number},,,,",
        f"G,{name}",
        f",{name},{number},,,,高",
        f"I,,{number},,,,高",
    )
    (night.folder / "records" / "broken.parquet").write_bytes(b"PAR1")
    night.night()
    results, exceptions = tables(night)
    told = [(one["customer_no"], one["reason"], one["reason_column"], one["reason_detail"]) for one in results]
    assert told == [
        ("", "unreadable_file", "", "not a Parquet file that can be read"),
        ("A", "bad_data", "id_number", "the check digit is wrong"),
        ("B", "unsupported_document", "id_type", "not a resident id"),
        ("C", "media_missing", "face_key", "empty"),
        ("D", "media_missing", "face_key", "no such object"),
        ("E", "bad_data", "required_check", "no word that the policy knows"),
        ("F", "bad_data", "risk_level", "empty"),
        ("G", "bad_data", "", "2 cells, the heading has 7"),
        ("", "bad_data", "customer_no", "empty, or longer than 200 characters"),
        ("I", "bad_data", "name", "empty"),
    ]
    assert [(one["source_row"], one["reason_column"], one["detail"]) for one in exceptions] == [
        (0, "", "不是可读的 Parquet 文件"),
        (2, "id_number", "校验码不符"),
        (3, "id_type", "不是居民身份证"),
        (4, "face_key", "为空"),
        (5, "face_key", "没有此对象"),
        (6, "required_check", "规则表中没有此值"),
        (7, "risk_level", "为空"),
        (8, "", "本行 2 列，表头 7 列"),
        (9, "customer_no", "为空，或超过 200 个字符"),
        (10, "name", "为空"),
    ]
    assert not any(value in str(told) for value in (name, number, wrong, "护照", "anything", "faces/none"))


def test_what_only_a_full_look_finds_says_column_and_sentence_too(nights: Make) -> None:
    night = nights(language="zh")
    name, number = invented(1)[0]
    (night.folder / "media" / "faces").mkdir()
    for key, data in (("cut.jpg", picture()[:-200]), ("gone.jpg", picture()), ("new.jpg", picture(500, 500))):
        (night.folder / "media" / "faces" / key).write_bytes(data)
    written(
        night,
        f"A,{name},{number},,faces/cut.jpg,id3_text_face,",
        f"B,{name},{number},,faces/gone.jpg,id3_text_face,",
        f"C,{name},{number},,faces/new.jpg,id3_text_face,",
    )
    run = night.plan()
    (night.folder / "media" / "faces" / "gone.jpg").unlink()
    (night.folder / "media" / "faces" / "new.jpg").write_bytes(picture(500, 700))
    night.verify(run)
    night.close(run)
    results, exceptions = tables(night)
    assert [(one["reason"], one["reason_column"], one["reason_detail"]) for one in results] == [
        ("bad_media", "face_key", "the picture is cut short"),
        ("media_missing", "face_key", "no such object"),
        ("media_changed", "face_key", "changed since it was planned"),
    ]
    assert [one["detail"] for one in exceptions] == ["图片不完整(被截断)", "没有此对象", "自制定方案后已被更改"]
    assert night.twin.journal() == []


def test_what_is_odd_about_a_person_who_was_asked_stands_beside_the_verdict(nights: Make) -> None:
    night = nights()
    name, number = fixed("3001")
    written(night, f"A,{name},{number},港澳台居民居住证,,,")
    night.night()
    (result,), (exception,) = tables(night)
    assert (result["outcome"], result["warnings"]) == ("not_found", "residence_permit; permit_number")
    assert exception["detail"] == (
        "a residence permit of Hong Kong, Macao or Taiwan · the number is not one of the named document"
    )


@pytest.mark.parametrize("withhold", [True, False])
def test_a_rare_character_is_proposed_to_people_and_the_rest_of_the_name_is_hidden(
    nights: Make, withhold: bool
) -> None:
    night = nights(policy={"withhold_rare_names": withhold})
    number = fixed("2001")[1]
    written(night, f"A,欧\ue81e,{number},,,,", f"B,\ue81e\ue863,{number},,,,", f"C,欧\ue000,{number},,,,")
    night.night()
    results, exceptions = tables(night)
    assert [(one["name_masked"], one["warnings"]) for one in results] == [("**", "rare_name")] * 3
    assert "欧" not in str(results) + str(exceptions)
    told = [one["detail"].split(" · ") for one in exceptions if one["class"] != "conflicting_data"]
    if withhold:
        assert [parts[:1] for parts in told] == [
            ["U+E81E -> U+9FB4 龴"],
            ["2 private-use characters"],
            ["U+E000 -> ?"],
        ]
    assert "龴" not in str(results)


def test_a_plan_staged_before_details_were_told_can_still_be_closed() -> None:
    old = row(disposition="rejected", reason="bad_data", reason_column="name")
    for name in ("reason_detail", "warnings", "name_hint"):
        del old[name]
    result = result_row(old, end_of(old, [], None, ""), FACTS)
    (raised,) = exception_rows(result, Text("en"), FACTS.business_date)
    assert (raised["reason_column"], raised["detail"]) == ("name", "")


def test_a_hint_never_tells_more_than_one_character() -> None:
    assert hint("欧阳") == ""
    assert hint("\ue81e阳") == "U+E81E -> U+9FB4 龴"
    assert hint("\ue81e\ue81e") == hint("\ue81e\ue863") == "2 private-use characters"


def test_every_sentence_of_the_catalogue_is_one_the_code_says() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tasks").rglob("*.py"))
    said = [key.removeprefix("problem.") for key in catalogue("en") if key.startswith("problem.")]
    assert len(said) > 40
    for sentence in said:
        for part in re.split("{}|: |customer_no|no sheet with", sentence):
            assert part.strip() in code, sentence
