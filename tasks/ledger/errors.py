"""What the ledger refuses, and why.

LedgerError
├── LedgerUnavailableError   the database can't be written: nothing may leave
├── WrongLedgerError         bound to another endpoint, project or store marker
├── RunBusyError             a living process owns the run
└── NoDepartureError         this call may not leave
    ├── FencedError          a newer owner has the run
    ├── StoppedError         the run was stopped, or everything was halted
    ├── CapReachedError      the worst case would pass a cap
    └── OpenQuestionError    the same question has an open call, or an answer the plan could not know
"""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger refused, or could not do, what was asked."""


class LedgerUnavailableError(LedgerError):
    """The database can't be written or read; no call leaves while that is so."""


class WrongLedgerError(LedgerError):
    """This ledger belongs to another endpoint, project or store."""


class RunBusyError(LedgerError):
    """A living process owns the run."""


class NoDepartureError(LedgerError):
    """A call may not leave; nothing was written for it."""


class FencedError(NoDepartureError):
    """Another process has taken over the run."""


class StoppedError(NoDepartureError):
    """The run has been stopped, or everything is halted; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped: {reason}")
        self.reason = reason


class CapReachedError(NoDepartureError):
    """The call's worst case would pass the cap of `scope` (``run``, ``night`` or ``month``)."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the cap of the {scope} is reached")
        self.scope = scope


class OpenQuestionError(NoDepartureError):
    """The question has an open call, or was answered after the plan was made; asking again would pay twice."""
