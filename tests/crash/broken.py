"""The program broken on purpose, one fence at a time: each break must be caught, and by the check that is meant for it.

    python -m tests.crash.broken [seeds]

Each break is made in a child process, which then plays seeds (`tests.seeds`) until a promise is found broken.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from tasks.ivs.client import IvsClient
from tasks.ledger import budget
from tasks.ledger.schema import calls
from tasks.verify.ask import Asker
from tests.seeds.books import BrokenPromiseError
from tests.seeds.world import played


def byte_before_intent() -> None:
    """Let the byte go while the intent is still being written."""

    async def early(self: Any, call: Any, pacer: Any, slot: int, departed: list[Any]) -> None:
        self.gate.check()
        writing = asyncio.ensure_future(self.ledger.depart(call))
        writing.add_done_callback(lambda done: done.cancelled() or done.exception())
        await pacer.moment(slot)
        departed.append(call)

    Asker._depart = early  # type: ignore[method-assign]


def timeout_retried() -> None:
    """Send a request again where its answer did not come, as many an HTTP client does."""
    real = IvsClient.call

    async def go() -> None:
        """Let it leave."""

    async def again(self: Any, body: Any, *, uuid: str, depart: Any) -> Any:
        answer = await real(self, body, uuid=uuid, depart=depart)
        if answer.kind == "missing" and answer.status is None:
            return await real(self, body, uuid=uuid, depart=go)
        return answer

    IvsClient.call = again  # type: ignore[method-assign]


def index_dropped() -> None:
    """Drop the index that lets a question have one open call."""
    for index in list(calls.indexes):
        if index.name == "open_question":
            calls.indexes.discard(index)


def cap_unchecked() -> None:
    """Book whatever is asked for."""
    budget._BOOK = text(  # type: ignore[misc]
        "UPDATE budget SET possible_micros = possible_micros + :worst, calls = calls + 1 "
        "WHERE scope IN (:run, :night, :month)"
    )


BREAKS: dict[Callable[[], None], str] = {
    byte_before_intent: "a request came that the ledger does not know",
    timeout_retried: "a uuid was sent twice",
    index_dropped: "a question",
    cap_unchecked: "over the cap",
}


def child(broken: Callable[[], None] | None, seeds: int, told: Any) -> None:
    gc.disable()
    if broken is not None:
        broken()
    said = seeds, ""
    for seed in range(seeds):
        try:
            played(seed)
        except BrokenPromiseError as error:
            said = seed + 1, str(error)
            break
        except Exception as error:  # noqa: BLE001
            said = seed + 1, f"{type(error).__name__}: {error}"
            break
    told.send(said)
    os._exit(0)


def caught(broken: Callable[[], None] | None, seeds: int) -> tuple[int, str]:
    """Play seeds with a break until a check complains; return how many it took and what the check said."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(broken, seeds, there))
    process.start()
    there.close()
    said: tuple[int, str] = here.recv()
    process.join()
    return said


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    missed = 0
    for broken, expected in BREAKS.items():
        played_seeds, check = caught(broken, seeds)
        missed += expected not in check
        print(f"{broken.__name__:20} {'caught' if check else 'MISSED':7} after {played_seeds:4} seeds: {check[:100]}")
    played_seeds, check = caught(None, 40)
    print(f"{'nothing broken':20} {'WRONG' if check else 'clean':7} after {played_seeds:4} seeds: {check[:100]}")
    sys.exit(bool(missed or check))


if __name__ == "__main__":
    main()
