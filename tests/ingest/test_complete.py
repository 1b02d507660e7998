"""A source that is not whole is waited for until a set time, and then nothing is planned."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasks.ingest import IncompleteError, InputError, Patience, last_moment, read_profile, when_complete
from tasks.plan import PlanKey, load_or_make, recent_rows
from tasks.records import Outcome, Reason
from tasks.settings import Source
from tests.people import invented

ON = dt.date(2026, 11, 25)
DATA = "客户号,姓名\n1,测试\n2,测试\n".encode()
ZONE = ZoneInfo("Asia/Shanghai")


def source(**over: Any) -> Source:
    return Source.model_validate({"records": "test", "control": {"file": "ready-%Y%m%d.json"}, **over})


def declare(store: Any, *files: dict[str, Any], key: str = "ready-20261125.json") -> None:
    store.put(key, json.dumps({"files": files}).encode())


def keys(store: Any, told: Source, recent: tuple[int, ...] = ()) -> list[tuple[str, str]]:
    rows = [row for batch in read_profile(store, told, ON, recent) for row in batch]
    return [(row.source_file, row.customer_no.reveal()) for row in rows]  # type: ignore[union-attr]


def test_a_control_file_that_agrees_lets_its_inputs_be_read_and_no_other(store: Any) -> None:
    store.put("a.csv", DATA)
    store.put("old.csv", DATA)
    sums = {"sha256": hashlib.sha256(DATA).hexdigest().upper(), "md5": hashlib.md5(DATA).hexdigest()}
    declare(store, {"name": "a.csv", "rows": 2, "bytes": len(DATA), **sums})
    assert keys(store, source()) == [("a.csv", "1"), ("a.csv", "2")]


def test_an_empty_control_file_says_only_that_all_has_come(store: Any) -> None:
    store.put("a.csv", DATA)
    store.put("ready.csv", b" \n")
    assert len(keys(store, source(control={"file": "ready.csv"}))) == 2


def test_names_are_those_of_the_control_files_own_folder(store: Any) -> None:
    store.put("dt=20261125/a.csv", DATA)
    declare(store, {"name": "a.csv"}, key="dt=20261125/ready.json")
    told = source(control={"file": "dt=%Y%m%d/ready.json"}, layout={"partition": "dt=%Y%m%d"})
    assert keys(store, told)[0] == ("dt=20261125/a.csv", "1")


@pytest.mark.parametrize(
    ("declared", "said", "may_come"),
    [
        (None, r"ready-20261125\.json: the control file has not come", True),
        ({"name": "b.csv"}, r"b\.csv: the control file names it, but it is not there", True),
        ({"name": "empty.csv"}, r"empty\.csv: the file is empty", True),
        ({"name": "a.csv", "bytes": 999}, r"a\.csv: 35 bytes, the control file says 999", True),
        ({"name": "a.csv", "sha256": "0" * 64}, r"a\.csv: its sha256 is not the one", False),
        ({"name": "a.csv", "md5": "0" * 32}, r"a\.csv: its md5 is not the one", False),
        ({"name": "a.csv", "rows": 3}, r"a\.csv: 2 rows, the control file says 3", False),
        ({"name": "a.csv", "rows": "2"}, r"not a control file: files\.0\.rows", True),
        ({"file": "a.csv"}, r"not a control file: files\.0\.name", True),
    ],
)
def test_what_does_not_agree_is_told_with_its_file(
    store: Any, declared: dict[str, Any] | None, said: str, may_come: bool
) -> None:
    store.put("a.csv", DATA)
    store.put("empty.csv", b"")
    if declared:
        declare(store, declared)
    with pytest.raises(IncompleteError, match=said) as told:
        keys(store, source())
    assert told.value.may_come is may_come


def test_a_control_file_half_written_is_waited_for_and_names_no_file_outside(store: Any) -> None:
    store.put("ready-20261125.json", b'{"files": [')
    with pytest.raises(IncompleteError, match="not a control file") as told:
        keys(store, source())
    assert told.value.may_come
    declare(store, {"name": "../../etc/passwd"})
    with pytest.raises(InputError, match="outside the source"):
        keys(store, source())


def test_with_a_control_file_one_bad_input_stops_everything(store: Any) -> None:
    store.put("a.csv", DATA)
    store.put("b.csv", "姓名\n测试\n".encode())
    declare(store, {"name": "a.csv"}, {"name": "b.csv"})
    with pytest.raises(InputError, match=r"b\.csv, column 客户号"):
        keys(store, source())


def test_without_one_a_bad_input_is_one_withheld_row_and_the_rest_is_read(store: Any) -> None:
    store.put("a.csv", b"")
    store.put("b.csv", DATA)
    store.put("c.csv", "姓名\n测试\n".encode())
    rows = [row for batch in read_profile(store, Source(records="test"), ON) for row in batch]
    bad, good = [rows[0], rows[3]], rows[1:3]
    assert [row.source_file for row in good] == ["b.csv", "b.csv"]  # type: ignore[union-attr]
    assert [(row.outcome, row.reason, row.column, row.detail) for row in bad] == [  # type: ignore[union-attr]
        (Outcome.WITHHELD, Reason.UNREADABLE_FILE, "", "the file is empty"),
        (Outcome.WITHHELD, Reason.UNREADABLE_FILE, "客户号", "no such column: map customer_no in the profile's [source.columns]"),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"a\.csv: the file is empty"):
        keys(store, Source(records="test", bad_files="stop"))


@pytest.mark.parametrize(
    ("rows", "recent", "stops"),
    [
        (2, (), False),
        (2, (100, 100), False),
        (2, (2, 3, 100), False),
        (2, (100, 100, 100), True),
        (2, (1, 1, 1), True),
        (0, (), True),
    ],
)
def test_a_night_far_from_the_usual_stops_once_there_is_a_usual(
    store: Any, rows: int, recent: tuple[int, ...], stops: bool
) -> None:
    store.put("a.csv", DATA if rows else "客户号,姓名\n".encode())
    told = Source(records="test", rows_within_pct=50)
    if not stops:
        assert len(keys(store, told, recent)) == rows
        return
    with pytest.raises(IncompleteError, match="usual: if that is right" if rows else "not one row"):
        keys(store, told, recent)


def test_the_usual_is_a_number_a_night_without_pilots_and_other_sources(nights: Callable[..., Any]) -> None:
    made = nights()
    for day, people, limit in ((21, 4, 0), (22, 3, 0), (23, 5, 2)):
        made.people(invented(people))
        made.plan(business_date=dt.date(2026, 11, day), limit=limit)
    made.people(invented(6))
    made.plan(business_date=dt.date(2026, 11, 22), replan=True)
    assert recent_rows(made.runtime, ON, 7) == [6, 4]
    assert recent_rows(made.runtime, ON, 1) == [6]
    assert recent_rows(made.runtime, dt.date(2026, 11, 22), 7) == [4]


@pytest.mark.parametrize(
    ("over", "recent", "said"),
    [
        ({"rows_within_pct": 50}, [100, 100, 100], "3 rows, but 100 are usual"),
        ({"control": {"file": "ready.json"}}, [], "the control file has not come"),
        ({"include": ["*.txt"]}, [], "no input fits"),
    ],
)
def test_what_is_not_whole_is_not_planned_and_nobody_is_asked(
    nights: Callable[..., Any], over: dict[str, Any], recent: list[int], said: str
) -> None:
    made = nights(source=over)
    made.people(invented(3))
    held = made.runtime
    rows = lambda told: read_profile(held.records, held.profile.source, ON, recent, told)  # noqa: E731
    with pytest.raises(InputError, match=said):
        load_or_make(held, PlanKey(ON), rows)
    assert held.ledger.runs("test", most=9) == []
    assert not [path for path in (made.folder / "staging").rglob("*") if path.is_file()]
    assert made.twin.journal() == []


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now: str) -> None:
        self.at = dt.datetime.fromisoformat(now).replace(tzinfo=ZONE)
        self.slept: list[float] = []
        self.said: list[str] = []

    def now(self) -> dt.datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += dt.timedelta(seconds=seconds)

    def patience(self, until: dt.datetime | None) -> Patience:
        return Patience(until, 30, self.now, self.sleep, self.said.append)


def comes(after: int, clock: Clock, *, may_come: bool = True) -> Callable[[], Any]:
    async def work() -> str:
        if len(clock.slept) < after:
            raise IncompleteError("ready.json", "the control file has not come", may_come=may_come)
        return "planned"

    return work


UNTIL = dt.datetime(2026, 11, 25, 23, 30, tzinfo=ZONE)


async def test_what_comes_in_time_is_planned_and_the_waiting_told_once() -> None:
    clock = Clock("2026-11-25 22:00")
    assert await when_complete(comes(3, clock), clock.patience(UNTIL)) == "planned"
    assert clock.slept == [30, 30, 30]
    assert clock.said == ["waiting until 2026-11-25 23:30: ready.json: the control file has not come"]


async def test_what_has_not_come_at_the_last_moment_stops_the_night() -> None:
    clock = Clock("2026-11-25 23:28:50")
    with pytest.raises(IncompleteError):
        await when_complete(comes(99, clock), clock.patience(UNTIL))
    assert clock.slept == [30, 30, 10]


@pytest.mark.parametrize(("until", "may_come"), [(None, True), (UNTIL, False)])
async def test_nothing_is_waited_for_without_a_time_or_where_waiting_mends_nothing(until: Any, may_come: bool) -> None:
    clock = Clock("2026-11-25 22:00")
    with pytest.raises(IncompleteError):
        await when_complete(comes(1, clock, may_come=may_come), clock.patience(until))
    assert not clock.slept


def test_the_last_moment_is_in_the_night_of_the_business_date() -> None:
    assert last_moment(dt.time(23, 30), ON, ZONE) == UNTIL
    assert last_moment(dt.time(1, 30), ON, ZONE) == dt.datetime(2026, 11, 26, 1, 30, tzinfo=ZONE)
    assert last_moment(None, ON, ZONE) is None


def test_a_file_that_could_not_be_read_is_a_result_row_of_its_own(nights: Callable[..., Any]) -> None:
    made = nights()
    made.people(invented(3))
    (made.folder / "records" / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    run = made.plan()
    made.verify(run)
    made.close(run)
    told = [row for row in made.results[run.run_id].to_pylist() if row["source_file"] == "broken.parquet"]
    assert [(row["outcome"], row["reason"], row["source_row"]) for row in told] == [("withheld", "unreadable_file", 0)]
    assert made.results[run.run_id].num_rows == 4
