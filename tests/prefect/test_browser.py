"""A night as its operators live it: brought up by one command, and every button pressed in a real browser."""

from __future__ import annotations

from tests.prefect.conftest import Beside

PATIENCE_S = 300


def test_a_newcomer_presses_every_button(newcomer: Beside) -> None:
    assert newcomer.process.wait(PATIENCE_S) == 0, newcomer.log.read_text(encoding="utf-8")[-6_000:]
