"""One Prefect server for all tests of this folder, and nights that run on it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.close import close
from flows.deploy import Registered, _automate
from tests.conftest import Twin
from tests.crash import driver
from tests.crash.test_flow_kill import as_toml
from tests.judge import Judgement, judge
from tests.prefect.server import AUTOMATIONS, ROOT, Server, Worker, deploy, end, owner_of, spawn

WALK = "test_a_newcomer_presses_every_button"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test that waits for the newcomer be the last."""
    items.sort(key=lambda item: item.name == WALK)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("prefect"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def worker(server: Server) -> Iterator[Worker]:
    running = Worker(server)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@dataclass
class Beside:
    """A process that runs beside the tests, and what it says."""

    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="session", autouse=True)
def newcomer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside | None]:
    """Let the newcomer walk from the first test of this folder on, where his own test is among those that run."""
    if not any(item.name == WALK for item in request.session.items):
        yield None
        return
    folder = tmp_path_factory.mktemp("newcomer")
    log = folder / "log"
    process = spawn([sys.executable, "-m", "tests.prefect.newcomer", str(folder)], dict(os.environ), log)
    try:
        yield Beside(process, log)
    finally:
        end(process)


@pytest.fixture
def forgotten(server: Server) -> Iterator[None]:
    """Delete the automations that a test has registered: they would act on the runs of others."""
    yield
    server.forget_automations()


class Pressed(Protocol):
    """Presses a button, and returns the object it printed."""

    def __call__(self, *words: str, code: int = 0) -> dict[str, Any]: ...


class House:
    """One profile over plain folders, pressed from a terminal or run by a worker, on the shared server."""

    def __init__(self, server: Server, twin: Twin, folder: Path, records: int, per_s: int, **over: Any) -> None:
        self.server, self.twin, self.folder, self.records = server, twin, folder, records
        driver.prepare(folder, twin.at, records, per_s)
        profile = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
        for key, value in over.items():
            profile[key] = profile[key] | value if isinstance(value, dict) else value
        (folder / f"{profile['name']}.toml").write_text(as_toml(profile), encoding="utf-8")
        self.name = profile["name"]
        secrets = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
        self.environment = {**server.environment, **secrets, "IVS_BACKFILL_PROFILES": str(folder)}
        self.environment |= {"PREFECT_LOGGING_LEVEL": "INFO", "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO"}

    def press(self, *words: str) -> subprocess.Popen[bytes]:
        """Press a button of the terminal; the output lies in `out`."""
        with (self.folder / "out.json").open("wb") as out, (self.folder / "log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *words],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        child.wait(180)
        return child

    @contextmanager
    def terminal(self, *, served: bool = True) -> Iterator[Pressed]:
        """Open a terminal, one process for all that is pressed in it, on the shared server or on a machine without one."""
        environment = {name: value for name, value in self.environment.items() if served or name != "PREFECT_API_URL"}
        with (self.folder / "log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "tests.prefect.terminal"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert child.stdin is not None
        assert child.stdout is not None
        typed, answers = child.stdin, child.stdout

        def press(*words: str, code: int = 0) -> dict[str, Any]:
            typed.write(json.dumps(words) + "\n")
            typed.flush()
            answer = answers.readline()
            assert answer, self.log[-3_000:]
            done = json.loads(answer)
            assert done["code"] == code, (words, done, self.log[-3_000:])
            return dict(json.loads(done["said"]))

        try:
            yield press
            typed.close()
            assert child.wait(30) == 0, self.log[-3_000:]
        finally:
            typed.close()
            end(child)
            answers.close()

    def deployed(self, flow: Any, entrypoint: str, name: str = "", *, supervised: bool = False) -> str:
        """Register one of our flows for this house, under the house's name or another; return the deployment's id."""
        with patch.dict(os.environ, {"IVS_BACKFILL_CHOICES": self.name}):
            return deploy(
                self.server, flow, entrypoint, name or self.folder.name, self.environment, supervised=supervised
            )

    def automated(self, **instead: Any) -> Registered:
        """Register configs/automations.yaml as `deploy` does, with this house's `close`.

        Args:
            instead: by the name of an automation, without its `ivs-`: another `within`, in seconds.
        """
        self.deployed(close, "flows/close.py:close")
        wanted = yaml.safe_load(yaml.safe_dump(AUTOMATIONS).replace("close/close", f"close/{self.folder.name}"))
        for one in wanted:
            one["trigger"]["within"] = instead.get(
                one["name"].removeprefix("ivs-").replace("-", "_"), one["trigger"]["within"]
            )
        done = Registered("tests", [self.name])
        with temporary_settings({PREFECT_API_URL: self.server.api}):
            asyncio.run(_automate(wanted, done))
        return done

    @property
    def out(self) -> dict[str, Any]:
        said = (self.folder / "out.json").read_text(encoding="utf-8")
        assert said, self.log
        return dict(json.loads(said))

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def owner(self) -> int:
        """Return the process that last opened the ledger and has not closed it."""
        return owner_of(self.folder / "home" / "ledger.sqlite")

    def judge(self) -> Judgement:
        newest: dict[str, Path] = {}
        for path in sorted((self.folder / "results").rglob("results.parquet"), key=lambda one: one.stat().st_mtime):
            newest[path.parent.parent.name] = path
        tables = {run_id: pq.read_table(path) for run_id, path in newest.items()}
        return judge(
            ledger=self.folder / "home" / "ledger.sqlite",
            journal=self.twin.at.journal,
            results=tables,
            planned=dict.fromkeys(tables, driver.refs(self.records)),
        )
