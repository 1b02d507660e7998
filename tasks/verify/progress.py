"""How far a run is, for the terminal's bar and the UI's artifact: counts only."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field


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
    def per_s(self) -> float:
        """Calls sent a second since the beginning."""
        return self.sent / max(time.monotonic() - self.began, 0.001)

    @property
    def percent(self) -> float:
        """Share of records done, 0 to 100."""
        return 100.0 if not self.total else min(100.0, 100 * self.records_done / self.total)
