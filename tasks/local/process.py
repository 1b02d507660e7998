"""A child process that never outlives its parent, and is stopped for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

_LEASH: Final = [sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py"))]
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
            [*_LEASH, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=written if output is None else output,
            stderr=written,
            env=environment,
            cwd=folder,
            process_group=0,  # the terminal's Ctrl-C is the parent's alone
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
