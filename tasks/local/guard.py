"""Runs a command, and sees to it that nothing the command started outlives the guard's own parent.

Prefect's worker puts each flow run into a process group of its own, below a process of its own, so a signal to the
worker or its death reaches none of them. On Linux this process adopts what loses its parent, and when it ends, for
whatever reason but its own SIGKILL, it ends all of them. Run by its path: it imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PATIENCE_S = 8.0


class _AskedToEnd(Exception):  # noqa: N818  # not an error
    """SIGTERM came, from our parent or at its death."""


def main(command: list[str]) -> int:
    """Run the command until it ends or we are asked to end; leave nothing of it behind."""
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _ask)
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    child = subprocess.Popen(command)  # noqa: S603  # our own command
    try:
        if os.getppid() != parent:
            return 1
        return child.wait()
    except _AskedToEnd:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return _end(child)
    finally:
        _end_children()


def _ask(_number: int, _frame: object) -> None:
    raise _AskedToEnd


def _end(child: subprocess.Popen[bytes]) -> int:
    """Ask the command to end, and give it some seconds."""
    child.terminate()
    try:
        return child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        return 1


def _end_children() -> None:
    """Kill our children until there are none: what they leave behind becomes ours."""
    while sys.platform == "linux" and (children := _children()):
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        _reap()
        time.sleep(0.01)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
