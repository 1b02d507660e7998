"""Whether as many rows came as were announced, or as usually come."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

from tasks.ingest.errors import IncompleteError
from tasks.ingest.pinned import PinnedInput

LEAST_NIGHTS: Final = 3
"""Fewer nights than this have no usual."""


def check_rows(item: PinnedInput, rows: int) -> None:
    """Hold an input's rows against what the sender says.

    Raises:
        IncompleteError: it says another number.
    """
    if item.rows not in {None, rows}:
        raise IncompleteError(item.key, f"{rows} rows, the control file says {item.rows}")


def check_total(source: str, rows: int, recent: Sequence[int], *, within_pct: float) -> None:
    """Hold a source's rows against the median of earlier nights, where there are three or more.

    Raises:
        IncompleteError: not one row, or further from the median than `within_pct` per cent of it (0: not compared).
    """
    if not rows:
        raise IncompleteError(source, "not one row", whole=True)
    if not within_pct or len(recent) < LEAST_NIGHTS:
        return
    usual = statistics.median(recent)
    if abs(rows - usual) > usual * within_pct / 100:
        problem = f"{rows} rows, but {usual:.0f} are usual: if that is right, widen source.rows_within_pct"
        raise IncompleteError(source, problem, whole=True)
