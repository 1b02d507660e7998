"""A child process that never outlives its parent, and is stopped for certain."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

_PR_SET_PDEATHSIG: Final = 1
STOP_S: Final = 5.0


def start(
    command: list[str],
    *,
    log: Path,
    environment: dict[str, str],
    output: int | IO[bytes] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child; on Linux the kernel ends it when the calling thread dies, whatever the reason."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as written:
        return subprocess.Popen(  # noqa: S603  # our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=written if output is None else output,
            stderr=written,
            env=environment,
            cwd=folder,
            process_group=0,  # the terminal's Ctrl-C is the parent's alone
            preexec_fn=_dying_with_parent() if sys.platform == "linux" else None,  # noqa: PLW1509  # two system calls, all else is done before the fork
        )


def stop(child: subprocess.Popen[bytes], *, patience_s: float = STOP_S) -> None:
    """Ask a child to end, and end it where it does not in time."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _dying_with_parent() -> Callable[[], None]:
    """Return what a child runs first: ask for SIGKILL at the parent's death, and end if that came before the asking."""
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask
