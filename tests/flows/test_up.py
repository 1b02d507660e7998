"""What `up` is told by signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from flows.up import Interrupts


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_that_a_finaliser_swallows_is_heard_at_the_next_look(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending:
        def __del__(self) -> None:
            signal.raise_signal(number)

    swallowed: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: swallowed.append(what.exc_type.__name__))
    interrupts = Interrupts()
    interrupts.check()
    Ending()
    assert swallowed == ["KeyboardInterrupt"]
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
