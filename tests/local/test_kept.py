"""What is made once is whole or not there; Prefect's settings keep a machine to itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.local.kept import kept
from tasks.local.prefect_home import apply, prefect_environment


def test_a_key_is_made_once(tmp_path: Path) -> None:
    made = iter(["first", "second"])
    assert [kept(tmp_path / "key", lambda: next(made)) for _ in range(2)] == ["first", "first"]


def test_a_start_that_died_while_making_a_key_leaves_nothing_behind_that_counts(tmp_path: Path) -> None:
    def dies() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "key", dies)
    assert not (tmp_path / "key").exists()
    assert kept(tmp_path / "key", lambda: "whole") == "whole"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_prefect_tells_nobody_and_stays_below_its_home(tmp_path: Path) -> None:
    told = prefect_environment(tmp_path)
    assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert told["DO_NOT_TRACK"] == "1"
    assert told["PREFECT_RESULTS_PERSIST_BY_DEFAULT"] == "false"
    assert Path(told["PREFECT_HOME"]).is_relative_to(tmp_path)
    assert float(told["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"]) >= 180


def test_every_setting_is_one_that_prefect_knows(tmp_path: Path) -> None:
    from prefect.settings import Settings

    known = {
        str(alias).upper()
        for model in _models(Settings)
        for field in model.model_fields.values()
        for alias in getattr(field.validation_alias, "choices", [])
    }
    prefix = {name for model in _models(Settings) for name in _names(model)}
    unknown = {
        name for name in prefect_environment(tmp_path) if name.startswith("PREFECT_") and name not in known | prefix
    }
    assert (
        unknown
        - {"PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL"}
        - {"PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL"}
        == set()
    ), "those two are read by the logging configuration"


def _models(model: type) -> list[type]:
    nested = [field.annotation for field in model.model_fields.values() if hasattr(field.annotation, "model_fields")]
    return [model] + [inner for one in nested for inner in _models(one)]


def _names(model: type) -> list[str]:
    start = model.model_config.get("env_prefix", "PREFECT_")
    return [f"{start}{name}".upper() for name in model.model_fields]


def test_what_the_user_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in prefect_environment(tmp_path):
        monkeypatch.setenv(name, "users")
    apply(tmp_path)
    import os

    assert {os.environ[name] for name in prefect_environment(tmp_path)} == {"users"}


def test_a_server_of_the_users_own_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prefect_environment(tmp_path)["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] == "true"
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE" not in prefect_environment(tmp_path)
