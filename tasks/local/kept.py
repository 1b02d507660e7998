"""What a home keeps from its first start on: what is made once, and the right to run in it."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return a private file's text, made at the first start; it is there whole or not at all."""
    if not path.exists():
        beside = path.with_name(f"{path.name}.part")
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(make(), encoding="utf-8")
        beside.replace(path)
    return path.read_text(encoding="utf-8")


@contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Hold a home for this process; the system lets go of it when the process ends, however it ends.

    Raises:
        BlockingIOError: another process holds it.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "in-use.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
