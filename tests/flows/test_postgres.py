"""The desk on PostgreSQL: every decision once, through the same code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial

from flows.beforehand import Envelope, signed
from flows.voids import void_now
from tasks.ledger.decided import listed
from tasks.ledger.doubts import Chosen, decide_all
from tests.databases import Server
from tests.nights import Nights
from tests.people import invented
from tests.postgres import Postgres

Make = Callable[..., Nights]


def test_every_decision_is_the_same_on_postgresql(nights: Make, postgres: Postgres) -> None:
    policy = {"in_doubt": "reask_below", "reask_below": "1.00", "set_by": "Head of KYC"}
    night = nights(ledger=Server(postgres).url, policy=policy, limits={"in_flight": 1}, money={"approve_above": "1"})
    for date in ("2026-11-24", "2026-11-25"):
        terms = {"business_date": date, "most_records": 11, "most_money": "5.50", "until": "2099-12-31"}
        signed(night.runtime, Envelope.model_validate(terms | {"profile": "test", "name": "Li", "reason": "forecast"}))
    night.people(invented(8), "a.csv")
    night.people(invented(3, 5), "b.csv")
    night.twin.faults({"fault": "reset_after", "match": {"nth": [2, 3, 4, 5, 6]}})
    run, first = night.whole()
    assert first["records"]["outcomes"] == {"verified": 6, "in_doubt": 5}
    night.twin.faults()
    doubts = [call.call_id for call in night.runtime.ledger.doubts()]
    for kind, name in (("write-off", doubts[0]), ("resend", doubts[1])):
        chosen = Chosen((name,))
        night.runtime.ledger.write(partial(decide_all, chosen=chosen, order=night.order(kind)))
    assert night.redrive(run) == 1
    assert night.end(run)["records"]["outcomes"] == {"verified": 7, "in_doubt": 3, "failed": 1}
    later, second = night.whole(business_date=dt.date(2026, 11, 25))
    assert second["repeats"] == {"calls": 2, "amount": "1.00"}, "the night's amount"
    assert night.redrive(run, "in_doubt", "written_off") == 2
    assert night.end(run)["records"]["outcomes"] == {"verified": 9, "in_doubt": 2}
    assert void_now(night.runtime, run.run_id, "a.csv", who="Li", why="wrong").relying == (later.run_id,)
    third = night.end(run)
    assert (third["voided"], third["revision"]) == (8, 4)
    assert night.end(run) == third
    kinds = [row.kind for row in night.runtime.ledger.read(listed)]
    assert sorted(kinds) == [
        "approve", "approve", "envelope", "envelope", "redrive", "redrive", "resend", "standing", "standing", "void",
        "write-off",
    ]  # fmt: skip


def test_a_server_that_may_forget_what_it_committed_is_told(nights: Make, postgres: Postgres) -> None:
    assert nights(ledger=Server(postgres).url).runtime.ledger.careless() == ["fsync"], "the tests' own server"
    assert nights().runtime.ledger.careless() == []
