"""What a person can mend is one line with an exit code, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.terminal import exit_code, explain
from tasks.ingest import InputError
from tasks.ledger import RunBusyError
from tasks.settings import MissingSecretError, ProfileError

ROOT = Path(__file__).resolve().parents[2]
PROFILE = """
extends = "demo"
name = "broken"
home = "{home}"
[account]
endpoint = "http://127.0.0.1:9"
project_id = "p"
[source]
records = "{records}"
media = "{records}"
[privacy]
staging = "{home}"
[output]
results = "{home}"
"""
KEYS = {
    "IVS_BACKFILL_PSEUDONYM_KEYS": "k:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    "IVS_BACKFILL_ACCESS_KEY": "a",
    "IVS_BACKFILL_SECRET_KEY": "s",
}


def press(tmp_path: Path, profile: str, *words: str, **secrets: str) -> tuple[int, str, str]:
    (tmp_path / "broken.toml").write_text(profile, encoding="utf-8")
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **secrets}
    command = [sys.executable, "-m", "flows.cli", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def filled(tmp_path: Path, **over: str) -> str:
    (tmp_path / "home").mkdir(exist_ok=True)
    return PROFILE.format(home=over.get("home", tmp_path / "home"), records=over.get("records", tmp_path / "in"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("[limits]\nin_fligth = 3\n", "did you mean 'in_flight'"),
        ("[money]\ncap_run = 'lots'\n", "money.cap_run"),
        ("[storage]\nendpoint_url = 'https://obs.example.com'\n", "a demo profile reaches this machine only"),
        ("[limits\n", "not a TOML file"),
    ],
)
def test_a_slip_in_the_profile_is_named(tmp_path: Path, change: str, said: str) -> None:
    code, _, log = press(tmp_path, filled(tmp_path) + change, "inspect", str(tmp_path / "broken.toml"))
    assert code == 2
    assert said in log


def test_an_unknown_profile_is_named_with_those_there_are(tmp_path: Path) -> None:
    code, _, log = press(tmp_path, "", "runs", "nigthly")
    assert code == 2
    assert "nightly" in log


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    profile = str(tmp_path / "broken.toml")
    code, _, log = press(tmp_path, filled(tmp_path), "inspect", profile, **KEYS)
    assert code == 2
    assert "no such folder" in log


def test_a_missing_secret_is_named_with_how_to_set_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("客户号,姓名,证件号码\n1,张三,440524188001010010\n", encoding="utf-8")
    held = {name: value for name, value in KEYS.items() if "PSEUDONYM" not in name}
    code, _, log = press(tmp_path, filled(tmp_path), "run", str(tmp_path / "broken.toml"), **held)
    assert code == 2
    assert "IVS_BACKFILL_PSEUDONYM_KEYS" in log


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no input fits"), ("姓名,证件号码\n张三,1\n", "客户号")],
)
def test_an_input_that_cannot_be_planned_stops_before_any_call(tmp_path: Path, content: object, said: str) -> None:
    (tmp_path / "in").mkdir()
    if content is not None:
        data = content if isinstance(content, bytes) else str(content).encode()
        (tmp_path / "in" / "a.csv").write_bytes(data)
    words = ("run", str(tmp_path / "broken.toml"), "--json")
    code, out, log = press(tmp_path, filled(tmp_path), *words, **KEYS)
    assert code == 4
    assert json.loads(out)["state"] == "stopped_input"
    assert said in log
    assert "张三" not in log + out


def test_a_control_file_that_has_not_come_stops_the_night_before_any_call(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("客户号,姓名,证件号码\n1,张三,440524188001010014\n", encoding="utf-8")
    profile = filled(tmp_path) + '[source.control]\nfile = "ready.json"\nwait_until = 12:00:00\n'
    words = ("run", str(tmp_path / "broken.toml"), "--json", "--date", "2026-01-31")
    code, out, _ = press(tmp_path, profile, *words, **KEYS)
    assert (code, json.loads(out)["state"]) == (4, "stopped_input")
    assert json.loads(out)["error"] == "ready.json: the control file has not come"


def test_a_missing_bucket_is_named(tmp_path: Path) -> None:
    keys = {**KEYS, "IVS_BACKFILL_STORE_ACCESS_KEY": "a", "IVS_BACKFILL_STORE_SECRET_KEY": "b"}
    profile = filled(tmp_path, records="s3://nowhere/in") + "[storage]\nendpoint_url = 'http://127.0.0.1:9'\n"
    code, _, log = press(tmp_path, profile, "inspect", str(tmp_path / "broken.toml"), **keys)
    assert code == 1
    assert "list in nowhere" in log


def test_states_and_errors_have_their_exit_codes() -> None:
    codes = {"completed": 0, "completed_with_exceptions": 3, "failed": 1, "stopped_budget": 4, "stopped_halted": 4}
    assert {state: exit_code(state) for state in codes} == codes
    assert explain(ProfileError("x"))[0] == explain(MissingSecretError("x"))[0] == 2
    assert explain(InputError("f", "p"))[0] == 4
    assert explain(RunBusyError("x"))[:2] == (1, "x")
    assert explain(ValueError("x"))[1] is None


def test_a_long_number_typed_as_a_name_or_a_reason_is_refused_and_not_repeated(tmp_path: Path) -> None:
    number = "110105188812310028"
    words = ("halt", str(tmp_path / "broken.toml"), "--who", "Li", "--why", f"wrong: {number}")
    code, out, err = press(tmp_path, filled(tmp_path), *words, **KEYS)
    assert (code, out) == (2, "")
    assert "15 digits" in err
    assert number not in err
