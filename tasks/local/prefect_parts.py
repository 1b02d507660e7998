"""Prefect's own parts as processes: a server with its UI on loopback, a worker that ends with all it runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from tasks.local import process

READY_S: Final = 180.0
WORKER_STOP_S: Final = 12.0
PORT: Final = 4200
_PREFECT: Final = [sys.executable, "-m", "prefect"]
_GUARD: Final = [sys.executable, str(Path(__file__).with_name("guard.py"))]


class PrefectNotStartedError(Exception):
    """Prefect's server or worker does not come up, or ended by itself: where to look."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A Prefect server that is starting or running."""

    address: str
    child: subprocess.Popen[bytes]
    log: Path

    @property
    def api(self) -> str:
        """The address that flows and workers talk to."""
        return f"{self.address}/api"

    def until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            PrefectNotStartedError: it does not, within three minutes.
        """
        ends = time.monotonic() + READY_S
        while time.monotonic() < ends and self.child.poll() is None:
            with suppress(OSError, HTTPException), urlopen(f"{self.api}/health", timeout=2):  # noqa: S310  # our own
                return
            time.sleep(0.1)
        raise PrefectNotStartedError(f"the Prefect server does not start: see {self.log}")


@contextmanager
def prefect_server(home: Path, *, port: int = PORT, ui: bool = True) -> Iterator[LocalServer]:
    """Run a server whose database lies below `home`; it is starting still. On another port where that is taken."""
    address = f"http://127.0.0.1:{_free(port)}"
    log = home / "prefect" / "server.log"
    command = [*_PREFECT, "server", "start", "--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    environment = {**os.environ, "PREFECT_API_URL": f"{address}/api", "PREFECT_SERVER_UI_ENABLED": str(ui).lower()}
    child = process.start(command, log=log, environment=environment)
    try:
        yield LocalServer(address, child, log)
    finally:
        process.stop(child)


@contextmanager
def prefect_worker(home: Path, *, pool: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of a pool at the server that PREFECT_API_URL names; flow runs get this process's environment."""
    command = [*_GUARD, *_PREFECT, "worker", "start", "--pool", pool, "--type", "process", "--name", "up"]
    child = process.start(command, log=home / "prefect" / "worker.log", environment=dict(os.environ))
    try:
        yield child
    finally:
        process.stop(child, patience_s=WORKER_STOP_S)


def _free(port: int) -> int:
    """Return the port, or a free one where somebody has it."""
    for wanted in (port, 0):
        with suppress(OSError), socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("127.0.0.1", wanted))
            return int(tried.getsockname()[1])
    raise PrefectNotStartedError("no free port on loopback")
