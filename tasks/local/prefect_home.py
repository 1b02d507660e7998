"""Prefect's settings for a machine without a server: everything below one home, nothing leaves loopback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

QUIET: Final = {
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    # The terminal says in one line what went wrong; Prefect's own pages show the failed state.
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "CRITICAL",
}
SERVED: Final = {
    "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}


def prefect_environment(home: Path, *, served: bool = False) -> dict[str, str]:
    """Return the variables that must be set before Prefect is imported.

    A server address that is set already wins: then runs show in that server's UI. `served`: for a server, a worker and
    what it runs, whose logs are read in the UI and not on a terminal.
    """
    settings = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        **(SERVED if served else QUIET),
    }
    if not os.environ.get("PREFECT_API_URL"):
        settings["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    return settings


def apply(home: Path, *, served: bool = False) -> None:
    """Set them for this process and its children; what the user has set stays."""
    (home / "prefect").mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, value in prefect_environment(home, served=served).items():
        os.environ.setdefault(name, value)
