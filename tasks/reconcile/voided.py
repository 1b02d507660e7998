"""Which of a run's rows are void: all, those of a file, and those whose call is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.ledger.voids import Voids
from tasks.reconcile.join import End


class Voided:
    """Tells whether a row is void by a decision about its run, its file, or its call.

    Args:
        files: the plan's files, by name.
        voids: what is void of the run.
        anything: whether anything in the ledger is; else no other run's call can be.
    """

    def __init__(self, files: Iterable[str], voids: Voids, *, anything: bool) -> None:
        self._files = {name: place for place, name in enumerate(sorted(files))}
        self._voids = voids
        self.anything = anything

    def is_void(self, row: Mapping[str, Any], end: End) -> bool:
        """Tell whether a row is void; what it relies on in other runs is looked up elsewhere."""
        if self._voids.of(self._files[row["source_file"]]) is not None:
            return True
        return bool(end.call is not None and end.call.voided)
