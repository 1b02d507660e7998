"""`inspect` says what is recognised in a profile, a folder or a prefix, and shows no value of anybody."""

from __future__ import annotations

import datetime as dt
import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from typer.testing import CliRunner

from flows.cli import app
from flows.inspected import inspected
from tasks.local.seaweed import LocalStore

PROFILE = """
extends = "demo"
name = "looked-at"
language = "{language}"
home = "{home}"
[account]
endpoint = "http://127.0.0.1:9"
project_id = "p"
[storage]
endpoint_url = "{endpoint}"
[source]
records = "{records}"
include = ["*"]
media = ""
[source.columns]
name = "户名"
[privacy]
staging = "{home}"
[output]
results = "{home}"
"""
PEOPLE = (
    "客户号,户名,证件号码,余额 [元]\nKEY-1,欧阳测试,440524188001010014,77\nKEY-2,欧阳\ue81e,440524188001010015,78\n"
)


def profile(
    tmp_path: Path, records: str, *, endpoint: str = "http://127.0.0.1:9", more: str = "", language: str = "en"
) -> str:
    path = tmp_path / "looked-at.toml"
    text = PROFILE.format(home=tmp_path / "home", records=records, endpoint=endpoint, language=language)
    path.write_text(text + more, encoding="utf-8")
    return str(path)


def press(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["inspect", *words], env={"COLUMNS": "120"})
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    (made / "a.csv").write_bytes(PEOPLE.encode("gb18030"))
    (made / "440524188001010014.tsv").write_text("客户号\t户名\n\t欧阳\n", encoding="utf-8")
    (made / "c.csv").write_bytes(b"")
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([["某银行清单"], [], ["客户号", "姓名", "证件号码"], ["KEY-9", "欧阳", 4.4e17]]):
            sheet.write_row(at, 0, row)
    (made / "d.xlsx").write_bytes(out.getvalue())
    return made


def test_a_folder_is_looked_at_without_a_profile_and_no_value_is_shown(folder: Path) -> None:
    (folder / "a.csv").write_bytes(PEOPLE.replace("户名", "姓名").encode("gb18030"))
    code, out, _ = press(str(folder))
    assert code == 0
    for told in (
        "gb18030",
        "source.encoding",
        "余额 [元]",
        "未识别",
        "check digit",
        "U+E81E->U+9FB4",
        "the file is empty",
        "loses digits",
    ):
        assert told in out, told
    for value in ("欧阳", "KEY-", "440524188001010014", "440524188001010015"):
        assert value not in out, value


def test_a_machine_gets_one_object(folder: Path, tmp_path: Path) -> None:
    code, out, _ = press(profile(tmp_path, str(folder)), "--json")
    told: dict[str, Any] = json.loads(out)
    assert code == 0
    by_file = {item["file"]: item for item in told["files"]}
    assert set(by_file) == {"4405**************.tsv", "a.csv"}
    seen = by_file["a.csv"]
    assert (seen["encoding"], seen["delimiter"], seen["heading_row"], seen["rows"]) == ("gb18030", ",", 1, 2)
    assert seen["recognised"] == {"customer_no": "客户号", "name": "户名", "id_number": "证件号码"}
    assert seen["ignored"] == ["余额 [元]"]
    assert seen["first"] == [{"file": "a.csv", "row": 3, "column": "id_number", "problem": "the check digit is wrong"}]
    assert [one["file"] for one in told["unreadable"]] == ["c.csv", "d.xlsx"]
    assert not any(value in out for value in ("欧阳", "KEY-", "440524188001010014"))


def test_what_a_profile_says_of_its_source_is_obeyed(tmp_path: Path) -> None:
    for day in ("20261124", "20261125"):
        (tmp_path / "in" / f"dt={day}").mkdir(parents=True)
        (tmp_path / "in" / f"dt={day}" / "a.csv").write_text(f"K{day},陳國\n", encoding="big5")
    more = '[source.layout]\nheadings = ["customer_no", "户名"]\npartition = "dt=%Y%m%d"\n'
    where = profile(tmp_path, str(tmp_path / "in"), more=more).replace("looked-at", "looked-at")
    text = Path(where).read_text(encoding="utf-8").replace("[source]", '[source]\nencoding = "big5"')
    Path(where).write_text(text, encoding="utf-8")
    report, _ = inspected(where, "", dt.date(2026, 11, 25))
    (seen,) = report.files
    assert (seen.file, seen.encoding, seen.encoding_guessed, seen.heading_row) == (
        "dt=20261125/a.csv",
        "big5",
        False,
        0,
    )
    assert seen.rows == 1


def test_a_control_file_that_has_not_come_is_told_and_the_inputs_are_shown_all_the_same(
    folder: Path, tmp_path: Path
) -> None:
    where = profile(tmp_path, str(folder), more='[source.control]\nfile = "ready-%Y%m%d.json"\n', language="zh")
    code, out, _ = press(where, "--date", "2026-01-31")
    assert code == 0
    assert "输入不完整：ready-20260131.json: the control file has not come" in out
    assert "a.csv" in out


def test_a_prefix_is_looked_at_with_a_profiles_store(
    s3: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IVS_BACKFILL_STORE_ACCESS_KEY", s3.access_key.reveal())
    monkeypatch.setenv("IVS_BACKFILL_STORE_SECRET_KEY", s3.secret_key.reveal())
    prefix = f"inspected-{uuid.uuid4().hex}"
    s3.client().put_object(Bucket="tests", Key=f"{prefix}/a.csv", Body=PEOPLE.encode())
    where = profile(tmp_path, "s3://tests/elsewhere", endpoint=s3.endpoint)
    code, out, _ = press(f"s3://tests/{prefix}", "--profile", where, "--json")
    assert code == 0
    assert json.loads(out)["files"][0]["recognised"]["name"] == "户名"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such"], 2, "no profile 'no-such'"),
        (["/no/such/folder"], 2, "no such folder"),
        (["s3://bucket/x"], 2, "IVS_BACKFILL_STORE_ACCESS_KEY is not set"),
        (["."], 4, "no input fits"),
    ],
)
def test_what_can_not_be_looked_at_is_one_line(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done, out, log = press(*words)
    assert (done, out) == (code, "")
    assert said in log
