"""A ledger that has forgotten calls can't start a night: they would be paid again."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tasks.ledger import WrongLedgerError
from tasks.runtime import Runtime
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]


def test_a_lost_and_an_older_ledger_are_refused_until_a_person_accepts(nights: Make) -> None:
    night = nights()
    night.people(invented(5))
    home = night.profile.home
    night.runtime.check_ledger()
    night.plan()
    night.runtime.ledger.close()
    shutil.copytree(home, home.with_name("older"))
    held = Runtime(night.profile, night.runtime.secrets)
    night.runtime = held
    night.night()
    held.mark_ledger()
    held.check_ledger()
    held.ledger.close()

    shutil.rmtree(home)
    shutil.copytree(home.with_name("older"), home)
    older = Runtime(night.profile, held.secrets)
    with pytest.raises(WrongLedgerError, match="older copy"):
        older.check_ledger()
    older.ledger.close()

    shutil.rmtree(home)
    fresh = Runtime(night.profile, held.secrets)
    with pytest.raises(WrongLedgerError, match="the results belong to ledger"):
        fresh.check_ledger()
    fresh.mark_ledger()
    fresh.check_ledger()
    night.runtime = fresh
