"""The results store's marker: which ledger the results belong to, and the last mark that ledger has made.

A ledger that is missing, another one, or an older copy has forgotten calls that would then be paid again. So marks are
made before the first call of each start, every minute while calls go, and at each closing: first in the ledger, then in
the store. A ledger that does not hold the store's mark is not the one that went on from there, whatever else it holds;
the start is refused until the right ledger is back, or a person accepts the loss.
"""

from __future__ import annotations

import json
from typing import Any, Final

from tasks.ledger import Ledger, WrongLedgerError
from tasks.storage import Missing, Store

KEY: Final = "ledger.json"


def check_marker(store: Store, ledger: Ledger, mark: str) -> None:
    """Hold a ledger against the marker; where there is none yet, write it with `mark`.

    Raises:
        WrongLedgerError: another ledger wrote the results there, or a later state of this one.
        StorageError: the store can't be reached, so nobody knows.
    """
    try:
        marker = _read(store.get(KEY))
    except Missing:
        write_marker(store, ledger, mark)
        return
    if marker.get("ledger_id") != ledger.ledger_id:
        raise WrongLedgerError(
            f"the results belong to ledger {str(marker.get('ledger_id'))[:8]}, this is {ledger.ledger_id[:8]}: bring "
            "that one back, or accept with `ledger accept` that its calls are forgotten and may be paid again"
        )
    if ledger.call_count() < int(marker["calls"]) or not ledger.has_mark(marker.get("mark", "")):
        raise WrongLedgerError(
            f"this ledger ({ledger.call_count()} calls) is an older copy of the one the results have seen "
            f"({marker['calls']} calls): bring the newest back, or accept the loss with `ledger accept`"
        )


def write_marker(store: Store, ledger: Ledger, mark: str) -> None:
    """Make a mark in the ledger, then write down in the store which ledger made it, and how far it is."""
    ledger.make_mark(mark)
    marker = {"ledger_id": ledger.ledger_id, "mark": mark, "calls": ledger.call_count()}
    store.put(KEY, json.dumps(marker).encode(), content_type="application/json")


def _read(text: bytes) -> dict[str, Any]:
    try:
        marker: dict[str, Any] = json.loads(text)
        return marker | {"calls": int(marker["calls"])}
    except (ValueError, KeyError, TypeError):
        raise WrongLedgerError(
            f"the marker {KEY} in the results store can't be read: bring it back, or accept with `ledger accept`"
        ) from None
