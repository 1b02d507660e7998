"""Names: what may change on the way, and what never does."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.names import DOT, MOST, check_name

HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)
NAMES = st.text(HAN, min_size=1, max_size=30)


@given(NAMES)
def test_a_plain_name_is_left_alone(name: str) -> None:
    assert check_name(name).text == name


@given(NAMES, st.lists(st.sampled_from(" \u3000\u200b\u200d\ufeff\u2060\u202e"), max_size=6), st.integers(0, 30))
def test_blanks_and_what_has_no_width_make_no_difference(name: str, unseen: list[str], at: int) -> None:
    assert check_name(f" {name[:at]}{''.join(unseen)}{name[at:]}\u3000").text == name


@given(st.text(HAN, min_size=2, max_size=12), st.sampled_from("•・‧.．●"))
def test_every_kind_of_middle_dot_becomes_the_registrys(name: str, dot: str) -> None:
    assert check_name(dot.join(name)).text == DOT.join(name)


@given(st.text(max_size=70))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = check_name(text)
    assert bool(once.text) != bool(once.problem)
    if once.text:
        assert check_name(once.text) == once


@given(
    st.characters(min_codepoint=0xF900, max_codepoint=0xFAD9)
    | st.characters(min_codepoint=0x2F800, max_codepoint=0x2FA1D)
)
def test_compatibility_ideographs_keep_their_code(letter: str) -> None:
    assert check_name(f"张{letter}").text == f"张{letter}"


REGISTRY_DOT = "\u00b7"
INPUT_DOTS = "\u2022\u30fb\u2027\u002e\uff0e\u25cf"  # the reference's list
LETTERS = (
    HAN
    | st.characters(min_codepoint=0x20000, max_codepoint=0x2A6D6)
    | st.sampled_from("\u3400\u4db5\u3007\u3005")
    | st.sampled_from(INPUT_DOTS + REGISTRY_DOT + " \u3000\u200b\u200d\ufeff")
    | st.sampled_from(["e\u0301", "\u1100\u1161", "\u1e63\u0323"])
)


def by_the_reference(raw: str) -> str:
    """Reference 7.2 once more, letter by letter: blanks and what has no width go, NFC, dots between two Han letters."""
    kept = unicodedata.normalize("NFC", "".join(letter for letter in raw if letter not in " \u3000\u200b\u200d\ufeff"))

    def is_han(place: int) -> bool:
        name = unicodedata.name(kept[place], "") if 0 <= place < len(kept) else ""
        return name.startswith("CJK UNIFIED IDEOGRAPH") or kept[place : place + 1] in {"\u3007", "\u3005"}

    dots = [letter in INPUT_DOTS and is_han(place - 1) and is_han(place + 1) for place, letter in enumerate(kept)]
    return "".join(REGISTRY_DOT if dot else letter for dot, letter in zip(dots, kept, strict=True))


@given(HAN, st.lists(LETTERS, max_size=20))
def test_names_are_what_the_reference_says(first: str, rest: list[str]) -> None:
    raw = first + "".join(rest)
    assert check_name(raw).text == by_the_reference(raw)


@given(st.sampled_from("\u2f00\u2fd5\uff21\uff42\u3231"))
def test_nothing_is_folded_as_nfkc_would(letter: str) -> None:
    assert unicodedata.normalize("NFKC", letter) != letter
    assert check_name(f"张{letter}").text == f"张{letter}"


def test_accents_are_composed() -> None:
    assert check_name("Jose\u0301").text == "Jos\u00e9"


def test_a_dot_that_is_not_between_two_han_characters_stays() -> None:
    assert check_name("J.Smith").text == "J.Smith"
    assert check_name("张三.").text == "张三."


def test_blanks_part_the_words_of_a_name_without_han_characters() -> None:
    assert check_name("  JOHN \u3000 SMITH ").text == "JOHN SMITH"


@pytest.mark.parametrize("bad", ["张\x00三", "张\x07三", "张\n三", "", " \u3000", "\u200b", "张" * (MOST + 1)])
def test_what_can_not_be_a_name_is_a_problem(bad: str) -> None:
    found = check_name(bad)
    assert found.problem
    assert not found.text


@pytest.mark.parametrize("letter", [chr(0xD800), chr(0xDFFF), chr(0xFFFD)])
def test_broken_encoding_is_a_problem(letter: str) -> None:
    assert check_name(f"张{letter}三").problem


@pytest.mark.parametrize("rare", ["\ue000", "\ue863", "\U000f0001", "\U00100001"])
def test_a_private_use_character_is_found_and_kept(rare: str) -> None:
    found = check_name(f"张{rare}")
    assert found.text == f"张{rare}"
    assert found.warnings[0] == "rare_name"


def test_characters_beyond_the_first_plane_are_not_rare_by_themselves() -> None:
    assert check_name("张\U00020087").warnings == ()


def test_traditional_characters_stay_traditional() -> None:
    assert check_name("張國榮").text == "張國榮"


def test_a_name_does_not_show_in_a_repr() -> None:
    assert "欧阳" not in repr(check_name("欧阳测试"))
