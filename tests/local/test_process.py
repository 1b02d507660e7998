"""A child process is started without Python's hooks around a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tasks.local import process


def test_a_childs_start_runs_no_hook_in_which_an_interrupt_would_be_lost(tmp_path: Path) -> None:
    ran: list[str] = []
    os.register_at_fork(before=lambda: ran.append("before"))
    with subprocess.Popen([sys.executable, "-c", ""], preexec_fn=int):  # noqa: PLW1509
        assert ran == ["before"], "Python does run them around a fork of its own"
    process.stop(process.start(["sleep", "60"], log=tmp_path / "log", environment=dict(os.environ)))
    assert ran == ["before"]


def test_a_child_ignores_no_signal_that_python_ignores(tmp_path: Path) -> None:
    child = process.start(["cat", "/proc/self/status"], log=tmp_path / "log", environment=dict(os.environ))
    assert child.wait(10) == 0
    assert "SigIgn:\t0000000000000000" in (tmp_path / "log").read_text()
