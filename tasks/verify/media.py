"""A planned record's media: fetched as they were pinned, looked at whole, and never kept."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from tasks.media import MediaLimits, fitted, whole_problem
from tasks.records import Reason
from tasks.staging import MEDIA_KINDS
from tasks.storage import Changed, Forbidden, Missing, Store


class UnfitError(Exception):
    """A record's media can't be sent: the reason, the column that named them, and what is wrong with them."""

    def __init__(self, reason: Reason, column: str, detail: str) -> None:
        super().__init__(f"{column}: {reason}: {detail}")
        self.reason = reason
        self.column = column
        self.detail = detail


async def fetch(store: Store, row: dict[str, Any], limits: MediaLimits) -> dict[str, bytes]:
    """Return the bytes of a planned record's media, by kind.

    Raises:
        UnfitError: gone, changed since planning, forbidden, or bad at a full look.
    """
    kinds = [kind for kind in MEDIA_KINDS if row[f"{kind}_key"]]
    found = await asyncio.gather(*(asyncio.to_thread(_one, store, row, kind, limits) for kind in kinds))
    return dict(zip(kinds, found, strict=True))


def _one(store: Store, row: dict[str, Any], kind: str, limits: MediaLimits) -> bytes:
    column = f"{kind}_key"
    try:
        data = store.get(row[column], if_match=row[f"{kind}_etag"])
    except Missing:
        raise UnfitError(Reason.MEDIA_MISSING, column, "no such object") from None
    except Changed:
        raise UnfitError(Reason.MEDIA_CHANGED, column, "changed since it was planned") from None
    except Forbidden:
        raise UnfitError(Reason.MEDIA_FORBIDDEN, column, "outside the prefix, or the store refuses it") from None
    if row[f"{kind}_sent_sha256"]:
        data = _fitted(data, row[f"{kind}_sent_sha256"], column, limits)
    problem = whole_problem(kind, data, limits)
    if problem is not None:
        raise UnfitError(Reason.BAD_MEDIA, column, problem)
    return data


def _fitted(data: bytes, planned_sha256: str, column: str, limits: MediaLimits) -> bytes:
    """Return what was planned to be sent of a too large picture; where it comes out otherwise, nothing is sent."""
    made = fitted(data, limits) or b""
    if hashlib.sha256(made).hexdigest() != planned_sha256:
        raise UnfitError(Reason.MEDIA_CHANGED, column, "made to fit, it is another picture than was planned")
    return made
