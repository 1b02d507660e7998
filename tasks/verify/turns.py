"""When the log speaks: often at first, seldom later, so that a night of any size can be read."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 60.0
LONGEST_S: Final = 900.0
SHARE: Final = 0.05


class Turns:
    """Tells when the next line is due: a minute after the last, later after a twentieth of the time so far.

    Never more than a quarter of an hour apart: some fifty lines in the first hours, four an hour after that.

    Args:
        now: when it begins (seconds).
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._last = now

    def due(self, now: float) -> bool:
        """Tell whether a line is due now, and take the turn."""
        wait = min(max(FIRST_S, SHARE * (now - self._began)), LONGEST_S)
        if now - self._last < wait:
            return False
        self._last = now
        return True
