"""A process of its own that verifies one run, as a flow's process does: python -m tests.flows.verifier FOLDER RUN_ID.

It says that it is ready, and begins when the file `go` is there: so that several begin together.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from tasks.approve import approved_cap
from tasks.runtime import Runtime
from tasks.settings import Profile, Secrets
from tasks.verify.night import open_night


async def verify(held: Runtime, run: Any) -> None:
    night = open_night(held, run, approved_cap(held.ledger, run, held.profile.money) or 0)
    await night.verify(night.chunk)  # type: ignore[arg-type]
    await night.asker.client.aclose()


def main(folder: Path, run_id: str) -> None:
    profile = Profile.model_validate_json((folder / "profile.json").read_text(encoding="utf-8"))
    held = Runtime(profile, Secrets(json.loads((folder / "secrets.json").read_text(encoding="utf-8"))))
    run = held.ledger.run(run_id)
    (folder / f"ready-{run_id}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    asyncio.run(verify(held, run))
    held.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
