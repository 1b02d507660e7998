"""Real parts for tests: the provider's twin and the S3 server as processes of their own, and a clean environment."""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tasks.local.provider import LocalProvider, provider
from tasks.local.seaweed import LocalStore, seaweed
from tasks.privacy import Secret
from tasks.settings import Profile, Secrets
from tasks.settings.load import CONFIGS
from tests.databases import Database, File, Server, reading
from tests.postgres import Postgres, postgres_server

settings.register_profile("patient", deadline=None, derandomize=True)  # how long an example takes is for benches to say
settings.register_profile("exploring", deadline=None)
settings.load_profile("patient")

KEY = base64.b64encode(b"k" * 32).decode()
_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """What a promise came to, in numbers: printed once all tests have ended."""
    return request.config.stash.setdefault(_FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures."""
    if figures := config.stash.get(_FIGURES, []):
        terminalreporter.write_sep("=", "figures")
        for line in figures:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away everything a developer's machine might add."""
    for name in list(os.environ):
        if name.startswith(
            ("IVS_", "PREFECT_", "AWS_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "PG")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@dataclass
class Twin:
    """A running simulator, with its control routes and journal."""

    at: LocalProvider
    home: Path
    _seen: int = field(default=0)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.at.control}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def faults(self, *faults: dict[str, Any]) -> None:
        self.control("PUT", "/faults", list(faults))

    def lift_quota(self) -> None:
        self.control("PUT", "/quota", {"limit": 1_000_000, "burst": 1_000_000})

    def journal(self) -> list[dict[str, Any]]:
        with reading(self.at.journal) as db:
            return [dict(row) for row in db.execute("SELECT * FROM requests ORDER BY received_at")]


@pytest.fixture(scope="session")
def shared_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    home = tmp_path_factory.mktemp("twin")
    with provider(home) as running:
        yield Twin(running, home)


@pytest.fixture
def twin(shared_twin: Twin) -> Twin:
    """The simulator, forgetful of earlier tests and with its quota lifted."""
    shared_twin.control("POST", "/reset")
    shared_twin.lift_quota()
    return shared_twin


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStore]:
    with seaweed(tmp_path_factory.mktemp("store"), bucket="tests") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the session, in a folder that an unprivileged user may enter."""
    with tempfile.TemporaryDirectory(prefix="ivs-postgres-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101
        with postgres_server(Path(name)) as running:
            yield running


@pytest.fixture(params=["sqlite", "postgres"])
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Return a function that makes a fresh database for a ledger; the test runs over both kinds."""
    made: list[Database] = []

    def make() -> Database:
        one = File(tmp_path) if request.param == "sqlite" else Server(request.getfixturevalue("postgres"))
        made.append(one)
        return one

    yield make
    for one in made:
        if isinstance(one, Server):
            one.drop()


@pytest.fixture
def database(make_database: Callable[[], Database]) -> Database:
    return make_database()


@pytest.fixture
def secrets_of(twin: Twin) -> Secrets:
    return secrets_for(twin.at)


def secret_values(at: LocalProvider) -> dict[str, str]:
    return {
        "IVS_BACKFILL_ACCESS_KEY": at.access_key.reveal(),
        "IVS_BACKFILL_SECRET_KEY": at.secret_key.reveal(),
        "IVS_BACKFILL_PASSWORD": at.password.reveal(),
        "IVS_BACKFILL_PSEUDONYM_KEYS": f"test:{KEY}",
    }


def secrets_for(at: LocalProvider) -> Secrets:
    return Secrets(secret_values(at))


Profiles = Callable[..., Profile]


@pytest.fixture
def make_profile(tmp_path: Path) -> Callable[..., Profile]:
    """Return a function that makes a profile over plain folders below the test's own folder."""

    def make(endpoint: str = "http://127.0.0.1:1", project_id: str = "p", **over: Any) -> Profile:
        for name in ("records", "media", "results", "staging"):
            (tmp_path / name).mkdir(exist_ok=True)
        data: dict[str, Any] = {
            "name": "test",
            "kind": "demo",
            "language": "en",
            "home": str(tmp_path / "home"),
            "account": {"endpoint": endpoint, "project_id": project_id, "read_timeout_s": 60},
            "source": {"records": str(tmp_path / "records"), "media": str(tmp_path / "media")},
            "limits": {
                "rate_per_s": {"two_factor": 2000, "three_factor": 2000},
                "headroom_pct": 0,
                "backoff_s": 0.01,
                "backoff_most_s": 0.05,
                "canary": {"records": 0},
            },
            "policy": {"video_checks": True},
            "money": {
                "price_file": str(CONFIGS / "prices" / "invented.toml"),
                "cap_run": "1000",
                "cap_night": "1000",
                "cap_month": "10000",
                "approve_above": "1000",
            },
            "privacy": {"staging": str(tmp_path / "staging")},
            "output": {"results": str(tmp_path / "results"), "xlsx_rows": 0},
        }
        for key, value in over.items():
            data[key] = data[key] | value if isinstance(data.get(key), dict) and isinstance(value, dict) else value
        return Profile.model_validate(data)

    return make


def token() -> Secret[str]:
    return Secret(secrets.token_hex(8))


from tests.nights import nights  # noqa: E402, F401  # the fixture, for every folder
