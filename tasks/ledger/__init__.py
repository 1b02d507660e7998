"""The durable account of every call; the only truth about what was asked and what it may cost."""

from tasks.ledger.calls import Departure, Ending
from tasks.ledger.errors import (
    CapReachedError,
    FencedError,
    LedgerError,
    LedgerUnavailableError,
    NoDepartureError,
    OpenQuestionError,
    RunBusyError,
    StoppedError,
    WrongLedgerError,
)
from tasks.ledger.ledger import Ledger
from tasks.ledger.runs import Claim, RunRow

__all__ = [
    "CapReachedError",
    "Claim",
    "Departure",
    "Ending",
    "FencedError",
    "Ledger",
    "LedgerError",
    "LedgerUnavailableError",
    "NoDepartureError",
    "OpenQuestionError",
    "RunBusyError",
    "RunRow",
    "StoppedError",
    "WrongLedgerError",
]
