"""Becomes a command that the kernel kills when our parent dies. Run by its path: `leash.py PARENT COMMAND ...`.

A program of its own and no `preexec_fn`: that one runs Python's hooks around the fork, and an interrupt that arrives in
one of them is swallowed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def hold(parent: int) -> None:
    """Ask the kernel for SIGKILL at the parent's death, and end here if that came before the asking."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    hold(int(sys.argv[1]))
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and so would the command
        signal.signal(number, signal.SIG_DFL)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # our own command
