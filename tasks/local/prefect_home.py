"""Prefect's settings for a machine without a server: everything below one home, nothing leaves loopback."""

from __future__ import annotations

import os
from pathlib import Path


def prefect_environment(home: Path) -> dict[str, str]:
    """Return the variables that must be set before Prefect is imported.

    A server address that is set already wins: then runs show in that server's UI.
    """
    settings = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        # The terminal says in one line what went wrong; Prefect's own pages show the failed state.
        "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "CRITICAL",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }
    if not os.environ.get("PREFECT_API_URL"):
        settings["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    return settings


def apply(home: Path) -> None:
    """Set them for this process and its children; what the user has set stays."""
    (home / "prefect").mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, value in prefect_environment(home).items():
        os.environ.setdefault(name, value)
