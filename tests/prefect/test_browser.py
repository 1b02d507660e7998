"""A night as its operators live it: brought up by one command, every button pressed, ended by a signal."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.local.test_parts import all_gone, running
from tests.prefect.conftest import Beside
from tests.prefect.newcomer import up

PATIENCE_S = 300


def test_an_interrupted_start_stops_every_part(tmp_path: Path) -> None:
    with up(tmp_path) as started:
        started.said("(Starting the local provider)")
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(30) == 0
        assert all_gone(started.home, within_s=5), running(started.home)


def test_a_newcomer_presses_every_button(newcomer: Beside) -> None:
    assert newcomer.process.wait(PATIENCE_S) == 0, newcomer.log.read_text(encoding="utf-8")[-6_000:]
