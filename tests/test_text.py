"""One catalogue in two languages: no key stands in one only, and both ask for the same values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.ingest.errors import InputError
from tasks.records import Family, Operation, Outcome, Reason, State
from tasks.records.contracts import contract
from tasks.text import Text, catalogue

ROOT = Path(__file__).resolve().parents[1]


def test_both_languages_hold_the_same_keys() -> None:
    assert catalogue("zh").keys() == catalogue("en").keys()


def test_both_languages_ask_for_the_same_values() -> None:
    for key, text in catalogue("zh").items():
        assert sorted(re.findall(r"{(\w+)}", text)) == sorted(re.findall(r"{(\w+)}", catalogue("en")[key])), key


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("outcome", Outcome),
        ("reason", Reason),
        ("state", State),
        ("operation", Operation),
        ("family", Family),
        ("column", [*contract("results").names, *contract("exceptions").names, *contract("cost").names]),
    ],
)
def test_every_word_people_meet_has_a_text(part: str, names: object) -> None:
    missing = [name for name in names if f"{part}.{name}" not in catalogue("zh")]  # type: ignore[attr-defined]
    assert not missing


def test_keys_named_in_the_code_stand_in_the_catalogue() -> None:
    called = re.compile(r"""(?:\bt|\btext|\bwords|\bplain|\.lines)\(\s*["']([a-z_]+\.[a-z_0-9]+)["']""")
    sources = [*ROOT.glob("flows/*.py"), *ROOT.glob("tasks/**/*.py"), *ROOT.glob("tasks/**/*.html")]
    named = {key for path in sources for key in called.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 40
    assert named <= catalogue("zh").keys()


def test_in_doubt_is_never_called_suspicious() -> None:
    assert not any("存疑" in text or "可疑" in text for text in catalogue("zh").values())


def test_both_shows_chinese_first() -> None:
    assert Text("both")("outcome.verified") == "核验一致 verified"
    assert Text("zh").lines("outcome.verified") == ["核验一致"]


def test_an_input_error_names_file_row_and_column() -> None:
    assert str(InputError("a.csv", "no such column", row=3, column="客户号")).startswith("a.csv")


@pytest.mark.parametrize(
    ("key", "told"),
    [("440524188001010014.csv", "4405**************.csv"), ("core_20261124220000.csv", "core_20261124220000.csv")],
)
def test_an_input_error_shows_no_number_that_a_file_is_named_after(key: str, told: str) -> None:
    """It reaches Prefect as the reason of a stop."""
    error = InputError(key, "the file is empty")
    assert (error.file, str(error)) == (told, f"{told}: the file is empty")
    assert InputError("s3://b/440524188001010014", "the store refuses to list it", whole=True).file.endswith("0014")
