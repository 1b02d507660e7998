"""Who lives and who may send: a process taken for dead writes nothing more, and lets nothing go that it has written."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ledger import FencedError, Ledger
from tasks.ledger.postgres import DRIFT_PER_S, ServerClock
from tasks.runtime import Runtime
from tests.databases import Database, File, Server
from tests.ledger.test_ledger import VERDICT, Price, call, opened, taken
from tests.nights import Nights
from tests.people import invented

Make = Callable[..., Nights]


def cut(ledger: Ledger, database: Database) -> None:
    """Take away what proves that this process lives, and nothing else."""
    if isinstance(database, Server):
        held = ledger.owner._held.connection.driver_connection.info.backend_pid  # type: ignore[attr-defined]
        database.server.sql(f"SELECT pg_terminate_backend({held}, 5000)")
    else:
        ledger.owner._path(ledger.owner.name).unlink()  # type: ignore[attr-defined]


async def test_one_taken_for_dead_is_fenced_and_its_late_answer_still_counts(database: Database) -> None:
    first = opened(database)
    epoch = taken(first)
    departing = call(first, epoch)
    await first.depart(departing)
    first.owner.check()
    cut(first, database)
    with pytest.raises(FencedError, match="take it for dead"):
        first.owner.check()
    beside = opened(database)
    assert beside.recovered == 1
    with pytest.raises(FencedError, match="taken for dead"):
        await first.depart(call(first, epoch, "c2"))
    assert first.calls_of("r1", ["Rc1"])[0].state == "in_doubt"
    await first.end(departing, VERDICT, Price)
    assert first.calls_of("r1", ["Rc1"])[0].state == "answered"
    beside.close()
    first.close()


def test_each_start_has_its_row_and_ends_it(database: Database) -> None:
    first, second = opened(database), opened(database)
    first.close()
    ended = dict(database.rows("SELECT owner, ended_us FROM owners"))
    assert ended[first.owner.name]
    assert ended[second.owner.name] is None
    second.close()


def test_an_owner_knows_itself_the_others_and_no_stranger(database: Database) -> None:
    first, second = opened(database), opened(database)
    assert [first.owner.is_alive(name) for name in (first.owner.name, second.owner.name, "stranger")] == [
        True,
        True,
        False,
    ]
    second.close()
    assert not first.owner.is_alive(second.owner.name)
    first.close()


def test_what_waits_for_its_slot_is_withdrawn_when_the_owner_is_cut_off(nights: Make, database: Database) -> None:
    """Written as sent and not yet let go: not a byte leaves, nothing is charged, and the question is free."""
    night = nights(limits={"rate_per_s": {"two_factor": 3, "three_factor": 3}, "in_flight": 8})
    night.people(invented(6))
    run = night.plan()
    tasks: list[Any] = []

    async def strike() -> None:
        while not database.rows("SELECT 1 FROM calls WHERE state = 'sent'") or len(night.twin.journal()) < 2:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(cut, night.runtime.ledger, database)

    with pytest.raises(FencedError):
        night.verify(run, during=lambda _night: tasks.append(asyncio.ensure_future(strike())))
    sent = {row["uuid"] for row in night.twin.journal()}
    states = dict(database.rows("SELECT call_id, state FROM calls"))
    assert sent == {name for name, state in states.items() if state == "answered"}
    assert set(states.values()) == {"answered", "withdrawn"}
    assert len(sent) < 6


@given(
    ahead=st.integers(-(10**12), 10**12),
    moments=st.lists(
        st.tuples(st.integers(0, 10**8), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=30
    ),
)
def test_the_servers_clock_is_known_as_well_as_it_was_seen(ahead: int, moments: list[tuple[int, int, int]]) -> None:
    """However slow the ways there and back, the reckoned time is off by no more than the best look and the drift."""
    here = [10**15]
    clock = ServerClock(lambda: here[0])
    best = None
    for pause, there, back in moments:
        here[0] += pause
        before = here[0]
        here[0] += there + back
        clock.compare(before, before + there + ahead, here[0])
        grown = (here[0] - best[0]) * DRIFT_PER_S // 10**6 if best else 0
        width = min(there + back, best[1] + 2 * grown) if best else there + back
        best = here[0], width
        assert abs(clock() - (here[0] + ahead)) <= width // 2 + 1


def test_a_clock_that_was_set_is_believed_anew() -> None:
    clock = ServerClock(lambda: 1_000)
    clock.compare(1_000, 5_000, 1_000)
    assert clock() == 5_000
    clock.compare(1_000, 9_000, 1_000)
    assert clock() == 9_000


def test_a_server_and_a_file_tell_the_same_time(database: Database) -> None:
    ledger = opened(database, clock_us=lambda: 7_000_000)
    if isinstance(database, File):
        assert ledger.clock_us() == 7_000_000
    else:
        assert ledger.clock_us() > 1_700_000_000_000_000, "the server's clock, whatever this machine thinks"
    ledger.close()


def test_two_who_ask_at_once_agree_that_an_owner_is_dead(tmp_path: Path) -> None:
    database = File(tmp_path)
    ledger = opened(database)
    dead = ledger.owner._path("dead")  # type: ignore[attr-defined]
    dead.touch()
    with dead.open() as another:
        fcntl.flock(another, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as whoever asks holds it, for a moment
        assert not ledger.owner.is_alive("dead")
    ledger.close()


def test_profiles_that_share_a_ledger_know_each_others_owners(nights: Make, database: Database, tmp_path: Path) -> None:
    first = nights(ledger=database.url).runtime
    run_by = first.ledger.owner.name
    other = Runtime(first.profile.model_copy(update={"home": tmp_path / "elsewhere"}), first.secrets)
    assert other.ledger.owner.is_alive(run_by)
    other.close()
