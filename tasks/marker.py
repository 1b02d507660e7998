"""The results store's marker: which ledger it belongs to, and how many calls that ledger has held.

A ledger that is missing, another one, or an older copy has forgotten calls that would then be paid again. So a start is
refused until the right ledger is back, or a person accepts the loss.
"""

from __future__ import annotations

import json
from typing import Final

from tasks.ledger import Ledger, WrongLedgerError
from tasks.storage import Missing, Store

KEY: Final = "ledger.json"


def check_marker(store: Store, ledger: Ledger) -> None:
    """Hold a ledger against the marker; write the marker where there is none yet.

    Raises:
        WrongLedgerError: another ledger wrote the results there, or a later state of this one.
    """
    try:
        marker = json.loads(store.get(KEY))
    except Missing:
        write_marker(store, ledger)
        return
    if marker["ledger_id"] != ledger.ledger_id:
        raise WrongLedgerError(
            f"the results belong to ledger {marker['ledger_id'][:8]}, this is {ledger.ledger_id[:8]}: bring that one "
            "back, or accept with `ledger-accept` that its calls are forgotten and may be paid again"
        )
    if ledger.call_count() < int(marker["calls"]):
        raise WrongLedgerError(
            f"this ledger holds {ledger.call_count()} calls, the results have seen {marker['calls']}: it is an older "
            "copy; bring the newest back, or accept the loss with `ledger-accept`"
        )


def write_marker(store: Store, ledger: Ledger) -> None:
    """Write down which ledger the results belong to, and how far it is."""
    marker = {"ledger_id": ledger.ledger_id, "calls": ledger.call_count()}
    store.put(KEY, json.dumps(marker).encode(), content_type="application/json")
