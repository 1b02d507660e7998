"""A child process that never outlives its parent, and is stopped for certain."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

_PR_SET_PDEATHSIG: Final = 1
STOP_S: Final = 5.0


def start(
    command: list[str], *, log: Path, environment: dict[str, str], output: int | IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a child; on Linux the kernel ends it when this process dies, whatever the reason."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as written:
        return subprocess.Popen(  # noqa: S603  # our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=written if output is None else output,
            stderr=written,
            env=environment,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # no threads are started between fork and exec
        )


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ask a child to end, and end it where it does not within five seconds."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _die_with_parent() -> None:
    """Ask for SIGKILL at the parent's death, and leave the terminal's signals to the parent."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
