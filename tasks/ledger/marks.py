"""Marks: names that a ledger and the results' marker share, so that an older copy is known by its lack."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

KEPT_US: Final = 90 * 86_400_000_000
"""How long marks are kept before the newest one."""

_FORGET: Final = text("DELETE FROM marks WHERE at_us < (SELECT max(at_us) FROM marks) - :kept")
_MAKE: Final = text("INSERT INTO marks (mark, at_us) VALUES (:mark, :now)")
_HAS: Final = text("SELECT count(*) FROM marks WHERE mark = :mark")


def make(connection: Connection, mark: str, now_us: int) -> None:
    """Make a mark. The newest one before it stays, since the store may still hold that."""
    connection.execute(_FORGET, {"kept": KEPT_US})
    connection.execute(_MAKE, {"mark": mark, "now": now_us})


def has(connection: Connection, mark: str) -> bool:
    """Tell whether a mark was made in this ledger; no mark at all is one that every ledger has."""
    return not mark or bool(connection.execute(_HAS, {"mark": mark}).scalar_one())
