"""The provider's twin as a process of its own; everything it tells us comes in its ready line."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tasks.local import process
from tasks.privacy import Secret

READY_S: Final = 60.0


class ProviderNotStartedError(Exception):
    """The simulator does not come up."""


@dataclass(frozen=True, slots=True)
class LocalProvider:
    """A running simulator: base URLs, account, and the path of its journal."""

    ivs: str
    iam: str
    control: str
    access_key: Secret[str]
    secret_key: Secret[str]
    project_id: str
    domain: str
    user: str
    password: Secret[str]
    journal: Path


@contextmanager
def provider(home: Path, *, config: Path | None = None, port: int = 0) -> Iterator[LocalProvider]:
    """Run a simulator whose account and journal lie below `home`; stop it whatever happens.

    Raises:
        ProviderNotStartedError: no ready line within a minute.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "tasks.simulator", "--home", str(home), "--port", str(port)]
    if config is not None:
        command += ["--config", str(config)]
    child = process.start(command, log=home / "provider.log", environment=dict(os.environ), output=subprocess.PIPE)
    try:
        yield _ready(child)
    finally:
        process.stop(child)


def _ready(child: subprocess.Popen[bytes]) -> LocalProvider:
    line = _line(child)
    if not line:
        raise ProviderNotStartedError("the local provider does not start: see provider.log in the demo's home")
    said: dict[str, Any] = json.loads(line)
    return LocalProvider(
        ivs=said["ivs"],
        iam=said["iam"],
        control=said["control"],
        access_key=Secret(said["access_key"]),
        secret_key=Secret(said["secret_key"]),
        project_id=said["project_id"],
        domain=said["domain"],
        user=said["user"],
        password=Secret(said["password"]),
        journal=Path(said["journal"]),
    )


def _line(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout is not None
    ends = time.monotonic() + READY_S
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdout, selectors.EVENT_READ)
        while time.monotonic() < ends and child.poll() is None:
            if waiting.select(timeout=0.5):
                return child.stdout.readline()
    return b""


def run_here(home: Path, *, port: int, config: Path | None, certificate: Path | None) -> None:
    """Become the simulator: this process is replaced by it."""
    command = [sys.executable, "-m", "tasks.simulator", "--home", str(home), "--port", str(port)]
    command += ["--config", str(config)] if config else []
    command += ["--certificate", str(certificate)] if certificate else []
    os.execv(sys.executable, command)  # noqa: S606  # our own command
