"""A night that Prefect's server forgets and whose machine dies; with the shipped times, nothing sped up.

    python -m tests.prefect.zombie      about eight minutes

A night runs under a deployment with one slot. The server is killed and comes back: it keeps leases in memory, so the
night's lease is lost, and Prefect cancels the flow when it can't renew it (225 s after its start). The night goes on.
Then flow process and worker are killed at once, which no process is left to report: the automation finds no heartbeat
for 95 s and marks the run crashed, a second one starts it again, a new worker goes on. No person does anything.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from flows.backfill import backfill
from tasks.local.provider import provider
from tests.conftest import Twin
from tests.crash import driver
from tests.prefect.conftest import House
from tests.prefect.server import Server, Worker, pids_of, until

RECORDS, PER_S = 5_600, 20
SERVER_DIES_S, RENEWAL_S, MACHINE_DIES_S = 20, 225, 250
SHIPPED = {
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "5",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "5",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT5S",
    "PREFECT_WORKER_QUERY_SECONDS": "10",
}
LOST = "lease renewal failed"


def story(folder: Path) -> dict[str, Any]:
    """Live through it, and return the figures."""
    (folder / "twin").mkdir()
    with provider(folder / "twin") as at:
        twin = Twin(at, folder / "twin")
        twin.lift_quota()
        server = Server(folder / "prefect")
        server.environment |= SHIPPED
        worker = Worker(server)
        try:
            server.start()
            worker.start()
            (folder / "house").mkdir()
            return told(House(server, twin, folder / "house", RECORDS, PER_S), worker)
        finally:
            worker.stop()
            server.stop()


def told(house: House, worker: Worker) -> dict[str, Any]:
    server, twin = house.server, house.twin
    house.automated()
    order = {"order": {"profile": house.name, "business_date": "2026-11-24"}}
    flow_run = server.press(house.deployed(backfill, "flows/backfill.py:backfill", supervised=True), order)
    until(twin.journal, "no call is made")
    begins = time.monotonic()

    def at(moment_s: float) -> None:
        time.sleep(max(0.0, begins + moment_s - time.monotonic()))

    at(SERVER_DIES_S)
    server.stop(signal.SIGKILL)
    server.start()
    at(MACHINE_DIES_S)
    lost = [line for line in server.logs(flow_run) if LOST in line]
    before = twin.journal()
    worker.stop(signal.SIGKILL)
    for pid in pids_of(flow_run):
        os.kill(pid, signal.SIGKILL)
    died = time.monotonic()
    worker.start()
    asked = len(twin.journal())
    found = ("Crashed", "AwaitingRetry", "Late", "Pending")
    until(lambda: server.run(flow_run)["state"]["name"] in found, "nobody finds it dead", 300)
    found_s = time.monotonic() - died
    until(lambda: len(twin.journal()) > asked, "nobody goes on", 300)
    again_s = time.monotonic() - died
    run = server.ended(flow_run, 600)
    return {
        "lease could not be renewed": f"{len(lost)} time(s), said in the run's log",
        "longest time without a call before the machine died, s": longest([row["received_at"] for row in before]),
        "found dead after, s": round(found_s, 1),
        "first call after, s": round(again_s, 1),
        "Prefect's state at the end": run["state"]["name"],
        "starts": run["run_count"],
        "records": house.records,
        "requests": len(twin.journal()),
        "judged": house.judge(),
    }


def longest(moments_us: list[int]) -> float:
    """Return the longest gap in seconds."""
    return round(max(later - one for one, later in pairwise(moments_us)) / 1_000_000, 2)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ivs-zombie-") as name:
        figures = story(Path(name))
    found = figures["judged"]
    for what, figure in figures.items():
        sys.stdout.write(f"{what}: {figure}\n")
    doubts = found.counts["in doubt"]
    return 0 if found.clean and doubts <= driver.IN_FLIGHT and figures["starts"] == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
