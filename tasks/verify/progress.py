"""How far a run is, for the terminal's bar and the UI's artifact: counts only."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

LATELY_S: Final = 60.0
"""The stretch over which the present rate is measured."""


@dataclass(slots=True)
class Progress:
    """Counts of one run while it is verified."""

    total: int
    outcomes: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    unreached: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    ended: bool = False
    known: dict[int, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    seen: deque[tuple[float, int, int]] = field(default_factory=deque)

    def tick(self, now: float | None = None) -> None:
        """Look at the counts, so that rates of the last minute can be told."""
        at = time.monotonic() if now is None else now
        self.seen.append((at, self.sent, self.records_done))
        while len(self.seen) > 2 and at - self.seen[0][0] > LATELY_S:
            self.seen.popleft()

    def left(self) -> None:
        """Count a call whose first byte may go."""
        self.sent += 1

    def came(self, kind: str) -> None:
        """Count what came back."""
        self.answers[kind] += 1

    def never_sent(self, why: str) -> None:
        """Count a call that never began, by the kind of failure."""
        self.unreached[why] += 1

    def done(self, outcome: str) -> None:
        """Count a record that has its outcome."""
        self.outcomes[outcome] += 1

    def already_in(self, chunk: int, count: int) -> None:
        """Count a chunk's records that had their outcome before this start looked at it first."""
        self.known.setdefault(chunk, count)

    @property
    def records_done(self) -> int:
        """Records that have their outcome."""
        return sum(self.known.values()) + sum(self.outcomes.values())

    @property
    def calls_per_s(self) -> float:
        """Calls sent a second over the last minute."""
        return self._lately(1)

    @property
    def left_s(self) -> float | None:
        """Seconds until all records are done if it goes on like the last minute; None where nothing moves."""
        pace = self._lately(2)
        return (self.total - self.records_done) / pace if pace > 0 else None

    @property
    def per_s(self) -> float:
        """Calls sent a second since the beginning."""
        return self.sent / max(time.monotonic() - self.began, 0.001)

    @property
    def percent(self) -> float:
        """Share of records done, 0 to 100."""
        return 100.0 if not self.total else min(100.0, 100 * self.records_done / self.total)

    def _lately(self, of: int) -> float:
        if len(self.seen) < 2:
            return 0.0
        first, last = self.seen[0], self.seen[-1]
        return (last[of] - first[of]) / max(last[0] - first[0], 0.001)
