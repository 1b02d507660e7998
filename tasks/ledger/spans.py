"""How long a run's calls took, whenever it was closed and however often it went on."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

_STARTS: Final = text(
    "SELECT min(sent_us) AS began, max(CASE WHEN state IN ('answered', 'refused') AND decision = '' THEN ended_us "
    "ELSE sent_us END) AS ended FROM calls WHERE run_id = :run_id GROUP BY epoch"
)


def seconds_asking(connection: Connection, run_id: str) -> float:
    """Return the time from first call to last answer, summed over the starts of a run."""
    spans = connection.execute(_STARTS, {"run_id": run_id})
    return sum(max(int(one.ended) - int(one.began), 0) for one in spans) / 1_000_000
