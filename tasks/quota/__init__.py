"""The right to start a call at a moment: slots leased from the ledger database, shared by every process."""

from tasks.quota.lease import LEASE_US, Lane, lease, throttled
from tasks.quota.pacer import MISSED_US, Pacer

__all__ = ["LEASE_US", "MISSED_US", "Lane", "Pacer", "lease", "throttled"]
