"""Prefect's settings for production, as its server tells them (measured: a server without them falls behind)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tasks.preflight.lines import Line, ok, warn

MEMORY: Final = "prefect.server.concurrency.lease_storage.memory"
BATCH: Final = 100
HEARTBEAT_S: Final = 30


def server_lines(server: Mapping[str, Any] | None, *, heartbeat_s: int | None) -> list[Line]:
    """Return the findings about Prefect.

    Args:
        server: the server's settings, as its admin route gives them; None without a server of its own.
        heartbeat_s: this process's heartbeat, which a worker passes to its flows.
    """
    if server is None:
        return [ok("prefect", "embedded")]
    mine = server["server"]
    services = mine["services"]
    batched = all(
        int(services[name][key]) >= BATCH
        for name in ("task_run_recorder", "event_persister")
        for key in ("batch_size", "read_batch_size")
    )
    database = str(mine["database"].get("driver") or "")
    looks = {
        "prefect_database": (database.startswith("postgresql"), database or "?"),
        "prefect_batching": (batched, f">= {BATCH}"),
        "prefect_leases": (mine["concurrency"]["lease_storage"] != MEMORY, mine["concurrency"]["lease_storage"]),
        "prefect_auth": (bool(mine["api"]["auth_string"]), "PREFECT_SERVER_API_AUTH_STRING"),
        "prefect_ui": (bool(server.get("ui_url")), server.get("ui_url") or "PREFECT_UI_URL"),
        "prefect_heartbeat": (heartbeat_s == HEARTBEAT_S, f"{heartbeat_s or '-'} s"),
    }
    return [(ok if good else warn)(name, f"{name}_is", value=value) for name, (good, value) in looks.items()]
