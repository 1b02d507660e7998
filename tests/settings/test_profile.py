"""Profiles and secrets: what is shipped can be read, a slip is named, nothing secret is shown."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tasks.privacy import Personal, PseudonymKey, Pseudonyms, Secret, defuse, mask_name, mask_number
from tasks.settings import MissingSecretError, ProfileError, Secrets, load_profile, profile_names, redacted


@pytest.mark.parametrize("name", ["demo", "nightly"])
def test_shipped_profiles_can_be_read(name: str) -> None:
    assert name in profile_names()
    profile = load_profile(name)
    assert profile.name == name
    assert "secret" not in redacted(profile).lower()


def test_a_real_profile_refuses_loopback_and_plain_http(tmp_path: Path) -> None:
    for url, said in (("https://127.0.0.1", "refuses loopback"), ("http://ivs.example.com", "must be https")):
        path = tmp_path / "x.toml"
        path.write_text(f'extends = "nightly"\n[account]\nendpoint = "{url}"\n', encoding="utf-8")
        with pytest.raises(ProfileError, match=said):
            load_profile(str(path))


def test_a_profile_extends_another(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "demo"\nname = "mine"\n[limits]\nin_flight = 7\n', encoding="utf-8")
    mine = load_profile(str(path))
    assert (mine.name, mine.limits.in_flight, mine.limits.attempts) == ("mine", 7, 6)


@pytest.mark.parametrize(
    ("text", "said"),
    [("extends = 'nothing'", "not a profile"), ("kind = 'demo'", "'name' is missing"), ("x", "not a TOML file")],
)
def test_what_is_wrong_with_a_profile_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError, match=said):
        load_profile(str(path))


@pytest.mark.parametrize("url", ["postgresql://me:hush@db/kyc", "postgresql://me@db/kyc?password=hush"])
def test_a_ledgers_address_with_a_password_is_refused_without_saying_it(tmp_path: Path, url: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f"extends = 'demo'\nledger = '{url}'\n", encoding="utf-8")
    with pytest.raises(ProfileError, match="PGPASSWORD") as told:
        load_profile(str(path))
    assert "hush" not in str(told.value)


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("  from-file\n", encoding="utf-8")
    held = Secrets({"IVS_BACKFILL_A": "plain", "IVS_BACKFILL_B_FILE": str(path), "IVS_BACKFILL_C_FILE": "/none"})
    assert (held.get("A").reveal(), held.get("B").reveal(), held.find("D")) == ("plain", "from-file", None)
    for name in ("C", "D"):
        with pytest.raises(MissingSecretError, match=f"IVS_BACKFILL_{name}"):
            held.get(name)


@pytest.mark.parametrize("text", ["", "nokey", "k:!!!", "k:" + base64.b64encode(b"short").decode()])
def test_pseudonym_keys_that_are_too_weak_are_refused(text: str) -> None:
    with pytest.raises(MissingSecretError, match="PSEUDONYM_KEYS"):
        Secrets({"IVS_BACKFILL_PSEUDONYM_KEYS": text}).pseudonyms()


def test_what_is_hidden_shows_nothing() -> None:
    for hidden in (Personal("440524188001010014"), Secret("s3cret"), Personal(b"\xff\xd8")):
        shown = f"{hidden} {hidden!r} {hidden!s} {[hidden]} {hidden:>30}"
        assert "4405" not in shown
        assert "s3cret" not in shown
        with pytest.raises(TypeError):
            __import__("pickle").dumps(hidden)
        with pytest.raises(TypeError):
            __import__("copy").deepcopy(hidden)


def test_hidden_values_compare_by_value_and_kind() -> None:
    assert Personal("a") == Personal("a") != Secret("a")
    assert len({Personal("a"), Personal("a"), Personal("b")}) == 2


def keys(*names: str) -> Pseudonyms:
    return Pseudonyms([PseudonymKey(name, Secret(name.encode() * 40)) for name in names])


def test_pseudonyms_depend_on_key_domain_and_every_part() -> None:
    made = keys("a")
    seen = {made.of("x", "1", "2"), made.of("x", "12"), made.of("x", "1", "2", ""), made.of("y", "1", "2")}
    assert len(seen | {keys("b").of("x", "1", "2")}) == 5
    assert made.of("x", "1") == made.of("x", "1")


def test_older_keys_are_still_looked_up() -> None:
    assert keys("new", "old").all_of("x", "1") == (keys("new").of("x", "1"), keys("old").of("x", "1"))


def test_masks_show_as_little_as_people_need() -> None:
    assert mask_number("440524188001010014") == "440524********0014"
    assert mask_number("123") == "***"
    assert mask_name("阿依古丽·买买提") == "阿***"
    assert mask_name("") == ""


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", " =1"])
def test_cells_that_would_run_are_defused(cell: str) -> None:
    assert defuse(cell).startswith("'")
    assert defuse("张三") == "张三"
