"""Who may send: each process is an owner with a row, and the one that finds it dead ends that row.

Whether an owner lives is proven outside the tables (a lock file, a session on the server). Ended is for ever: the row
is ended in the same transaction that puts the owner's calls in doubt, and a departure asks for it, so a process that
was taken for dead while it lived writes no further call.
"""

from __future__ import annotations

from typing import Final, Protocol

from sqlalchemy import Connection, text

from tasks.ledger.schema import owners


class Owner(Protocol):
    """This process, and whom it knows."""

    name: str

    def is_alive(self, owner: str) -> bool:
        """Tell whether another owner's process still holds what it must hold to send."""

    def check(self) -> None:
        """Raise FencedError where others may take this process for dead."""

    def release(self) -> None:
        """Let go."""


_ENDED: Final = text("UPDATE owners SET ended_us = :now WHERE owner = :owner AND ended_us IS NULL")
_UNENDED: Final = text(
    "SELECT owner FROM owners WHERE ended_us IS NULL UNION SELECT DISTINCT owner FROM calls WHERE state = 'sent'"
)


def register(connection: Connection, owner: str, *, host: str, pid: int, now_us: int) -> None:
    """Write an owner's row."""
    connection.execute(owners.insert().values(owner=owner, host=host, pid=pid, started_us=now_us))


def unended(connection: Connection) -> list[str]:
    """Return all owners that have not been ended, or whose calls are `sent`."""
    return list(connection.execute(_UNENDED).scalars())


def end(connection: Connection, owner: str, now_us: int) -> None:
    """End an owner: it departed, or was found dead."""
    connection.execute(_ENDED, {"owner": owner, "now": now_us})
