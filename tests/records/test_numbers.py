"""Identity numbers, against the standard's arithmetic written a second time."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.numbers import birth_date, check_character, check_number, to_18

OLD = st.dates(dt.date(1800, 1, 1), dt.date(1899, 12, 31))


def iso_7064_holds(number: str) -> bool:
    """ISO 7064 MOD 11-2 as the standard states it: the sum of a_i * 2^(i-1), from the right, is 1 modulo 11."""
    values = [10 if letter == "X" else int(letter) for letter in number]
    return sum(value * pow(2, place, 11) for place, value in enumerate(reversed(values))) % 11 == 1


@st.composite
def bodies(draw: st.DrawFn) -> str:
    return f"{draw(st.integers(110000, 659999))}{draw(OLD):%Y%m%d}{draw(st.integers(0, 999)):03d}"


@given(bodies())
def test_the_check_character_is_the_standards(body: str) -> None:
    number = body + check_character(body)
    assert iso_7064_holds(number)
    assert check_number(number).text == number


@given(bodies(), st.sampled_from("0123456789X"))
def test_every_other_check_character_is_refused(body: str, last: str) -> None:
    assert bool(check_number(body + last).text) == iso_7064_holds(body + last)


@given(bodies(), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(body: str, place: int, off: int) -> None:
    number = body + check_character(body)
    wrong = number[:place] + str((int(number[place]) + off) % 10) + number[place + 1 :]
    assert check_number(wrong).problem


@given(bodies())
def test_a_way_of_writing_does_not_change_the_number(body: str) -> None:
    number = body + check_character(body)
    wide = number.translate({ord("0") + n: 0xFF10 + n for n in range(10)} | {ord("X"): 0xFF58})
    for written in (number.lower(), f"  {number[:6]} {number[6:14]}\u3000{number[14:]}\u200b", wide):
        assert check_number(written).text == number


@given(st.text(max_size=24))
def test_any_text_has_an_answer_and_nothing_wrong_passes(text: str) -> None:
    found = check_number(text)
    assert bool(found.text) != bool(found.problem)
    if len(found.text) == 18:
        assert iso_7064_holds(found.text)


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("11010519491231002X", True),  # the two examples that the standard prints
        ("440524188001010014", True),
        ("440524188001010015", False),
        ("110105194902300020", False),
        ("110105491231002", True),
        ("11010549123100X", False),
        ("110105490230002", False),
        ("4405241880010100", False),
        ("", False),
        ("44052418800101001\u0664", False),
        ("440524-18800101-0014", False),
        ("4.40524188001010E+17", False),
    ],
)
def test_the_references_examples_are_judged_as_it_says(number: str, valid: bool) -> None:
    assert bool(check_number(number).text) is valid


def test_an_abolished_or_unknown_region_is_only_a_warning() -> None:
    body = "99" + "440524188001010014"[2:17]
    found = check_number(body + check_character(body))
    assert found.text
    assert found.warnings == ("unknown_region",)


@given(st.integers(110000, 659999), st.dates(dt.date(1900, 1, 1), dt.date(1999, 12, 31)), st.integers(0, 999))
def test_an_old_number_gets_its_century_and_the_standards_check_character(region: int, born: dt.date, nth: int) -> None:
    old = f"{region}{born:%y%m%d}{nth:03d}"
    assert check_number(old).text == old
    new = to_18(old)
    assert new[:17] == f"{region}19{born:%y%m%d}{nth:03d}"
    assert iso_7064_holds(new)


@given(bodies(), st.integers(0, 15))
def test_two_neighbours_exchanged_are_always_found(body: str, place: int) -> None:
    number = body + check_character(body)
    wrong = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert wrong == number or check_number(wrong).problem


@pytest.mark.parametrize(("body", "warnings"), [("93144018800101001", ("foreigner_card",)), ("99144018800101001", ("unknown_region",)), ("81000018800101001", ())])  # fmt: skip
def test_a_number_of_another_card_is_not_refused(body: str, warnings: tuple[str, ...]) -> None:
    found = check_number(body + check_character(body))
    assert found.text
    assert found.warnings == warnings


def test_fifteen_digits_become_eighteen() -> None:
    assert to_18("110105491231002") == "11010519491231002X"
    assert to_18("440524188001010014") == "440524188001010014"
    with pytest.raises(ValueError, match="15 or 18"):
        to_18("1101054912310")


def test_a_birth_date_is_read_from_both_forms() -> None:
    assert birth_date("440524188001010014") == dt.date(1880, 1, 1)
    assert birth_date("110105491231002") == dt.date(1949, 12, 31)
    assert birth_date("440524") is None


def test_a_number_does_not_show_in_a_repr() -> None:
    assert "1880" not in repr(check_number("440524188001010014"))
