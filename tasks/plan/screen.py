"""Screening: pin each media object a record brings, and turn away what can't pass before money is spent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from tasks.media import MediaLimits, body_bytes, fitted, header_problem, may_be_fitted, orientation, size_problem
from tasks.plan.questions import Media
from tasks.privacy import Personal, Pseudonyms
from tasks.records import OPERATIONS, Operation, Reason, Record
from tasks.settings import MediaRules
from tasks.storage import Changed, Forbidden, Missing, Store

HEAD_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Screened:
    """The media of a record as pinned, or why the record is turned away; `notes` tell what is odd or was changed."""

    media: dict[str, Media]
    reason: Reason | None = None
    column: str = ""
    detail: str = ""
    notes: tuple[str, ...] = ()

    @property
    def body_bytes(self) -> int:
        """How large the request's body will be, about."""
        return body_bytes([item.sent_size or item.size for item in self.media.values()])

    @property
    def held_bytes(self) -> int:
        """How much memory the record takes while it is asked, about."""
        return self.body_bytes + sum(item.size for item in self.media.values() if item.sent_size)


@dataclass(frozen=True, slots=True)
class Screen:
    """What media are screened with.

    Args:
        store: the store below the media prefix, which no key leads out of.
        rules: what the profile says of rotated and of too large pictures.
        names: the keys of the digests that are recorded; a plain digest of a picture would identify it.
    """

    store: Store
    rules: MediaRules
    names: Pseudonyms
    limits: MediaLimits = field(default_factory=MediaLimits)

    def all(self, asked: Sequence[tuple[Record, Operation]], threads: int) -> list[Screened]:
        """Screen many records side by side; the answers keep their order."""
        work: Callable[[tuple[Record, Operation]], Screened] = lambda item: self.one(*item)  # noqa: E731
        if not any(media_of(*item) for item in asked):
            return [Screened({}) for _ in asked]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, asked))

    def one(self, record: Record, check: Operation) -> Screened:
        """Pin and screen one record's media by their sizes and headers."""
        media: dict[str, Media] = {}
        notes: tuple[str, ...] = ()
        for kind, key in media_of(record, check).items():
            found = self._object(kind, key)
            if found.reason is not None:
                return found
            media |= found.media
            notes += found.notes
        screened = Screened(media, notes=notes)
        if screened.body_bytes > self.limits.most_body:
            return Screened({}, Reason.BAD_MEDIA, "", "body over 12 MB")
        return screened

    def _object(self, kind: str, key: Personal[str]) -> Screened:
        column = f"{kind}_key"
        try:
            return self._looked_at(kind, self._below(key.reveal()))
        except Missing:
            return Screened({}, Reason.MEDIA_MISSING, column, "no such object")
        except Changed:
            return Screened({}, Reason.MEDIA_CHANGED, column, "changed while it was read")
        except Forbidden:
            return Screened({}, Reason.MEDIA_FORBIDDEN, column, "outside the prefix, or the store refuses it")

    def _below(self, key: str) -> str:
        """Return what an object is called below the granted prefix, where its whole address was given."""
        if not key.startswith(("s3://", "obs://")):
            return key
        return f"s3://{key.partition('://')[2]}".removeprefix(f"{self.store.uri}/")

    def _looked_at(self, kind: str, key: str) -> Screened:
        info = self.store.head(key)
        problem = size_problem(kind, info.size, self.limits)
        if problem is not None and not (self.rules.recompress and info.size > self.limits.least_text):
            return Screened({}, Reason.BAD_MEDIA, f"{kind}_key", problem)
        head = self.store.get_range(key, 0, HEAD_BYTES - 1, if_match=info.etag)
        problem = header_problem(kind, head, info.size, self.limits)
        if problem is not None and self.rules.recompress and may_be_fitted(kind, head, info.size, self.limits):
            return self._fitted(kind, Media(key, info.etag, info.size))
        turned = kind != "video" and orientation(head) != 1
        if problem is None and turned and self.rules.rotated == "reject":
            problem = "not upright"
        if problem is not None:
            return Screened({}, Reason.BAD_MEDIA, f"{kind}_key", problem)
        return Screened({kind: Media(key, info.etag, info.size)}, notes=(f"{kind}: rotated",) if turned else ())

    def _fitted(self, kind: str, item: Media) -> Screened:
        """Make a too large picture fit, to know that it can be; what is sent is made anew, and must be the same."""
        data = self.store.get(item.key, if_match=item.etag)
        made = fitted(data, self.limits)
        if made is None:
            return Screened({}, Reason.BAD_MEDIA, f"{kind}_key", "too large, and can't be made to fit")
        note = f"{kind}: recompressed, {self.names.key_id}:{self._digest(data)} -> {self._digest(made)}"
        sent = Media(item.key, item.etag, item.size, len(made), hashlib.sha256(made).hexdigest())
        return Screened({kind: sent}, notes=(note,))

    def _digest(self, data: bytes) -> str:
        return self.names.of("media", hashlib.sha256(data).hexdigest())


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
