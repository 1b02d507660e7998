"""Whole nights by seed: the real verify loop, ledger, quota and client on a clock of its own, with seeded faults."""
