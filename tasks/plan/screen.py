"""Screening: pin each media object a record brings, and turn away what can't pass before money is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from tasks.media import MediaLimits, body_bytes, header_problem
from tasks.plan.questions import Media
from tasks.privacy import Personal
from tasks.records import OPERATIONS, Operation, Reason, Record
from tasks.storage import Forbidden, Missing, Store

HEAD_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Screened:
    """The media of a record as pinned, or why the record is turned away."""

    media: dict[str, Media]
    reason: Reason | None = None
    column: str = ""
    detail: str = ""

    @property
    def body_bytes(self) -> int:
        """How large the request's body will be, about."""
        return body_bytes([item.size for item in self.media.values()])


def media_of(record: Record, check: Operation) -> dict[str, Personal[str]]:
    """Return the media keys that a check sends, by kind."""
    facts = OPERATIONS[check]
    wanted = {
        "card_front": record.card_front_key if facts.card else None,
        "card_back": record.card_back_key if facts.card else None,
        "face": record.face_key if facts.face else None,
        "video": record.video_key if facts.video else None,
    }
    return {kind: key for kind, key in wanted.items() if key}


def screen(store: Store, record: Record, check: Operation, limits: MediaLimits) -> Screened:
    """Pin and screen one record's media by their sizes and headers."""
    media: dict[str, Media] = {}
    for kind, key in media_of(record, check).items():
        found = _one(store, kind, key, limits)
        if isinstance(found, Screened):
            return found
        media[kind] = found
    screened = Screened(media)
    if screened.body_bytes > limits.most_body:
        return Screened({}, Reason.BAD_MEDIA, "", "body over 12 MB")
    return screened


def screen_all(
    store: Store, asked: Sequence[tuple[Record, Operation]], limits: MediaLimits, threads: int
) -> list[Screened]:
    """Screen many records side by side; the answers keep their order."""
    work: Callable[[tuple[Record, Operation]], Screened] = lambda item: screen(store, *item, limits)  # noqa: E731
    if not any(media_of(*item) for item in asked):
        return [Screened({}) for _ in asked]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, asked))


def _one(store: Store, kind: str, key: Personal[str], limits: MediaLimits) -> Media | Screened:
    column = f"{kind}_key"
    try:
        info = store.head(key.reveal())
        head = b"" if kind == "video" else store.get_range(key.reveal(), 0, HEAD_BYTES - 1, if_match=info.etag)
    except Missing:
        return Screened({}, Reason.MEDIA_MISSING, column, "no such object")
    except Forbidden:
        return Screened({}, Reason.MEDIA_FORBIDDEN, column, "the store refuses it")
    problem = header_problem(kind, head, info.size, limits)
    if problem is not None:
        return Screened({}, Reason.BAD_MEDIA, column, problem)
    return Media(key.reveal(), info.etag, info.size)
