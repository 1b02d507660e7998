"""A whole night on this machine: every part, the real backfill flow, and its end held against data/expected."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import pandas as pd

from tasks.local import local_parts
from tasks.local.prefect_home import apply as apply_prefect_settings
from tasks.local.prefect_parts import prefect_server
from tasks.settings.load import CHECKOUT, CONFIGS

EXPECTED: Final = CHECKOUT / "data" / "expected"
Say = Callable[[str], None]


def demo_night(home: Path, say: Say) -> dict[str, Any]:
    """Run a demo night in a home, and return the run's object with what differs from the expected end.

    Raises:
        StoreNotStartedError, ProviderNotStartedError, PrefectNotStartedError: a part does not come up.
    """
    apply_prefect_settings(home)
    with _server(home) as ready, local_parts(home, say, config=CONFIGS / "simulator" / "demo.toml"):
        say("prefect")
        ready()
        from flows.backfill import backfill
        from flows.forms import Order
        from flows.states import press
        from tasks import runtime

        held = runtime.runtime("demo")
        try:
            order, wanted = _order(held, Order)
            ended = press(backfill, order)
            differs = _differences(_found(held, ended), wanted)
            files = _copied(held, ended, home)
        finally:
            runtime.close("demo")
        return ended | files | {"as_expected": not differs, "differences": differs, "again": ended["sequence"] > 1}


@contextmanager
def _server(home: Path) -> Iterator[Callable[[], None]]:
    """Start a Prefect server that ends with this process, unless there is one, and yield what waits for it.

    It starts beside store and provider, and leaves nothing behind; Prefect's own embedded server outlives a SIGKILL.
    """
    if os.environ.get("PREFECT_API_URL"):
        yield lambda: None
        return
    with prefect_server(home, port=0, ui=False) as server:
        os.environ["PREFECT_API_URL"] = server.api
        yield server.until_ready


def _order(held: Any, order: Any) -> tuple[Any, dict[str, Any]]:
    """Return what to order: the next sequence after a finished night, the same night where it was interrupted."""
    last = next(iter(held.ledger.runs("demo", most=1)), None)
    finished = last is not None and last.state.startswith("completed")
    first = last is None or (last.sequence == 1 and not finished)
    date = last.business_date if last is not None and not finished else None
    wanted = orjson.loads((EXPECTED / ("first.json" if first else "again.json")).read_bytes())
    return order(profile="demo", business_date=date, replan=finished), wanted


def _copied(held: Any, ended: dict[str, Any], home: Path) -> dict[str, str]:
    """Copy a night's files out of the demo's store, which stops with the demo, and return their paths."""
    folder = home / "results" / ended["run_id"] / f"r{ended['revision']}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    base = f"{ended['run_id']}/r{ended['revision']}/"
    for item in held.results.list(base):
        path = folder / item.key.removeprefix(base)
        path.touch(mode=0o600)
        path.write_bytes(held.results.get(item.key))
    names = {"results": "results.xlsx", "report": "report.html", "manifest": "manifest.json"}
    return {key: str(folder / name) for key, name in names.items()}


def _found(held: Any, ended: dict[str, Any]) -> dict[str, Any]:
    """Return how the night ended, in the form of data/expected, from the results as they lie in the store."""
    base = f"{ended['run_id']}/r{ended['revision']}"
    results = pd.read_parquet(io.BytesIO(held.results.get(f"{base}/results.parquet")))
    groups = held.ledger.cost_groups(ended["run_id"])
    paid: dict[str, int] = {}
    for group in groups:
        if group.charge == "certain":
            paid[group.family] = paid.get(group.family, 0) + group.n
    by_file = results.groupby("source_file")["outcome"]
    return {
        "records": len(results),
        "outcomes": {str(name): int(count) for name, count in results["outcome"].value_counts().items()},
        "reasons": {str(name): int(n) for name, n in results["reason"].value_counts().items() if name},
        "by_file": {str(file): {str(k): int(n) for k, n in part.value_counts().items()} for file, part in by_file},
        "paid_calls": paid,
        "in_doubt_calls": sum(group.n for group in groups if group.state == "in_doubt"),
    }


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return [
        f"{key}: expected {_sorted(wanted[key])}, found {_sorted(found[key])}"
        for key in wanted
        if found[key] != wanted[key]
    ]


def _sorted(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
