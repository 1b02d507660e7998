"""Everything on one machine, kept running: a Prefect server with its UI, store, provider, deployments and a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from tasks.local import local_parts
from tasks.local.parts import PROFILES
from tasks.local.prefect_home import apply as apply_prefect_settings
from tasks.local.prefect_parts import PORT, LocalServer, PrefectNotStartedError, prefect_server, prefect_worker
from tasks.settings.load import CONFIGS

LOOK_EVERY_S: Final = 0.5
Say = Callable[[str], None]


class Interrupts:
    """SIGTERM and Ctrl-C, each a KeyboardInterrupt; one that Python swallows, in a finaliser say, is remembered."""

    def __init__(self) -> None:
        self._came = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: object) -> NoReturn:
        self._came = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise the interrupt that came."""
        if self._came:
            raise KeyboardInterrupt


@dataclass(frozen=True)
class House:
    """What is up, and where to look at it."""

    home: Path
    server: LocalServer
    alive: Callable[[], bool]
    interrupts: Interrupts

    def stay(self) -> NoReturn:
        """Wait for ever.

        Raises:
            KeyboardInterrupt: it was asked to end.
            PrefectNotStartedError: server or worker ended by itself.
        """
        while self.alive():
            self.interrupts.check()
            time.sleep(LOOK_EVERY_S)
        raise PrefectNotStartedError(f"Prefect's server or worker has ended: see the logs in {self.home / 'prefect'}")


@contextmanager
def up(home: Path, say: Say, *, port: int = PORT) -> Iterator[House]:
    """Start all parts in a home, register the deployments, and stop everything at the end, whatever it is.

    Raises:
        StoreNotStartedError, ProviderNotStartedError, PrefectNotStartedError, NotRegisteredError: what fails.
        KeyboardInterrupt: SIGTERM or Ctrl-C.
    """
    interrupts = Interrupts()
    os.environ.pop("PREFECT_API_URL", None)
    apply_prefect_settings(home, served=True)

    def part(name: str) -> None:
        interrupts.check()
        say(f"demo.{name}")

    part("prefect")
    with prefect_server(home, port=port) as server, local_parts(home, part, config=CONFIGS / "simulator" / "demo.toml"):
        server.until_ready()
        os.environ["PREFECT_API_URL"] = server.api
        part("deploy")
        from flows.deploy import POOL, deploy

        deploy(profiles=list(PROFILES))
        with prefect_worker(home, pool=POOL) as worker:
            yield House(home, server, lambda: server.child.poll() is None and worker.poll() is None, interrupts)
