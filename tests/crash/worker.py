"""One start of a night in a process of its own, to be killed: plan, verify, reconcile, as often as it takes.

    python -m tests.crash.worker FOLDER [again]

With `again` it is the night after: the next sequence, over the same people. Reads ``profile.json`` and ``secrets.json`` of the folder; writes ``results.parquet`` and ``done`` when the run has ended.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from tasks import ingest
from tasks.approve import approved_cap
from tasks.ledger.runs import finish
from tasks.plan import PlanKey, load_or_make
from tasks.reconcile import reconcile
from tasks.runtime import Runtime
from tasks.settings import Profile, Secrets
from tasks.verify.night import open_night
from tasks.verify.signals import stop_on_signals


def main(folder: Path, *, again: bool = False) -> None:
    profile = Profile.model_validate_json((folder / "profile.json").read_text(encoding="utf-8"))
    held = Runtime(profile, Secrets(json.loads((folder / "secrets.json").read_text(encoding="utf-8"))))
    date = dt.date(2026, 11, 24)
    last = held.ledger.newest_run(profile.name, profile.source.records, date)
    key = PlanKey(date, replan=again and last is not None and last.state == "completed" and last.sequence == 1)
    run = load_or_make(held, key, lambda told: ingest.read_profile(held.records, profile.source, date, told=told))
    asyncio.run(verify(held, run))
    out = folder / "out"
    out.mkdir(exist_ok=True)
    plan = json.loads(run.plan)
    run = held.ledger.run(run.run_id)
    found = reconcile(
        run, revision=1, profile=profile, ledger=held.ledger, staging=held.staging(plan["staging"]), folder=out
    )
    state = "stopped" if run.stop else "completed"
    held.ledger.write(
        lambda c: finish(c, run.run_id, epoch=int(run.epoch), state=state, revision=1, closing="", now_us=1)
    )
    (folder / "done").write_text(
        json.dumps({"run_id": run.run_id, "stop": run.stop, **found.outcomes}), encoding="utf-8"
    )
    held.close()


async def verify(held: Runtime, run: Any) -> None:
    night = open_night(held, run, approved_cap(held.ledger, run, held.profile.money) or 0)

    async def chunk(part: Any) -> None:
        await night.chunk(part)

    stop_on_signals(night)
    await night.verify(chunk)
    night.progress.ended = True
    await night.asker.client.aclose()


if __name__ == "__main__":
    main(Path(sys.argv[1]), again="again" in sys.argv[2:])
