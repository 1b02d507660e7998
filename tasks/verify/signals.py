"""What SIGINT and SIGTERM do to a night: the first stops it cleanly, the second ends the process at once."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

from tasks.verify.night import Night

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals(night: Night) -> None:
    """Let the first signal cancel a night: answers are awaited a while, then results are written as after any stop.

    A second one ends the process as if no handler were set; the ledger is made for that.
    """
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    def first() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        if not night.progress.ended:
            pending.add(asyncio.ensure_future(night.cancel()))

    for number in SIGNALS:
        try:
            loop.add_signal_handler(number, first)
        except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, or not this platform
            return
