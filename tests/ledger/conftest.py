"""Nights over both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.databases import Database
from tests.nights import Nights


@pytest.fixture
def nights(nights: Callable[..., Nights], database: Database) -> Callable[..., Nights]:
    """Return a function that sets up nights whose ledger lies in the test's database."""

    def make(**over: Any) -> Nights:
        return nights(**({"ledger": database.url} | over))

    return make
