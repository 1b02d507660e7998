"""Nothing that a guarded command starts outlives the guard's parent, whatever group or session it has put itself in."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from tasks.local import process
from tasks.local.prefect_parts import _GUARD
from tests.local.test_parts import ROOT, all_gone, running

CHILD = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", sys.argv[1], "grandchild"], start_new_session=True)
if sys.argv[2] == "stay":
    time.sleep(60)
"""


def guarded(mark: Path, how: str) -> list[str]:
    return [*_GUARD, sys.executable, "-c", CHILD, str(mark), how]


def until_running(mark: Path, count: int) -> None:
    ends = time.monotonic() + 20
    while len(running(mark)) < count:
        assert time.monotonic() < ends, running(mark)
        time.sleep(0.05)


def test_a_stop_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    child = process.start(guarded(tmp_path / "mark", "stay"), log=tmp_path / "log", environment={})
    until_running(tmp_path / "mark", 3)
    process.stop(child)
    assert all_gone(tmp_path / "mark")


def test_a_command_that_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    child = process.start(guarded(tmp_path / "mark", "go"), log=tmp_path / "log", environment={})
    assert child.wait(30) == 0
    assert all_gone(tmp_path / "mark")


def test_a_parent_that_is_killed_takes_all_with_it(tmp_path: Path) -> None:
    code = f"""
        import sys, time
        from pathlib import Path
        from tasks.local import process
        process.start({guarded(tmp_path / "mark", "stay")!r}, log=Path({str(tmp_path / "log")!r}), environment={{}})
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT) as parent:
        until_running(tmp_path / "mark", 4)
        parent.send_signal(signal.SIGKILL)
    assert all_gone(tmp_path / "mark")
