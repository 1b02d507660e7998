"""Who is alive: each process holds a lock file while it lives; a lock that can be taken proves its owner dead."""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from pathlib import Path


class Owner:
    """This process, as an owner of runs and calls.

    Args:
        folder: where lock files lie; shared by all processes of one ledger on this machine.
        name: what it is called; a random name by default.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self.name = name or uuid.uuid4().hex[:20]
        self.host = socket.gethostname()
        self.pid = os.getpid()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = os.open(self._path(self.name), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def is_alive(self, owner: str) -> bool:
        """Tell whether the process that `owner` names still lives (holds its lock)."""
        if owner == self.name:
            return True
        try:
            handle = os.open(self._path(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(handle)

    def release(self) -> None:
        """Let go of the lock and remove its file."""
        self._path(self.name).unlink(missing_ok=True)
        os.close(self._handle)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}.lock"
