"""Private-use characters get a proposal, and keep their code."""

from __future__ import annotations

import unicodedata

from tasks.records.names import check_name
from tasks.records.rare import proposals, standard_characters


def test_a_private_use_character_of_old_systems_has_its_standard_one_proposed() -> None:
    assert proposals("张\ue81e") == ("U+E81E->U+9FB4",)
    assert proposals("\ue816\ue864\ue816") == ("U+E816->U+20087", "U+E864->U+9FBB")


def test_one_that_nobody_knows_is_told_as_such() -> None:
    assert proposals("张\ue000三\U000f0000") == ("U+E000->?", "U+F0000->?")


def test_a_common_name_has_no_proposals() -> None:
    assert proposals("欧阳测试\U00020087") == ()


def test_every_proposal_replaces_a_private_code_by_a_standard_one() -> None:
    table = standard_characters()
    assert len(table) == 80
    for private, standard in table.items():
        assert unicodedata.category(chr(private)) == "Co"
        assert unicodedata.category(chr(standard)) in {"Lo", "So"}


def test_the_table_agrees_with_the_codec_where_that_knows_the_standard_character() -> None:
    codes = [bytes([0xFE, low]) for low in (*range(0x50, 0x7F), *range(0x80, 0xA1))]
    for private, code in zip(range(0xE815, 0xE865), codes, strict=True):
        assert ord(code.decode("gb18030")) in {private, standard_characters()[private]}


def test_a_proposal_is_never_applied() -> None:
    assert check_name("张\ue81e").text == "张\ue81e"
    assert check_name("张\ue81e").warnings == ("rare_name", "U+E81E->U+9FB4")
