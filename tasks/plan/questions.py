"""Keyed names: of the person, of the row, and of everything that decides an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tasks.privacy import Pseudonyms
from tasks.records import OPERATIONS, Operation, Record
from tasks.records.numbers import to_18
from tasks.staging import MEDIA_KINDS


@dataclass(frozen=True, slots=True)
class Media:
    """One media object as pinned when planning: key below the media prefix, ETag, size in bytes.

    Where it is made to fit before it is sent, also the size and digest of what is sent; a question covers only that it
    is, so that a new decoder asks nothing anew.
    """

    key: str = field(repr=False)
    etag: str = field(repr=False)
    size: int
    sent_size: int = 0
    sent_sha256: str = field(default="", repr=False)

    @property
    def seen(self) -> list[object]:
        """What a question covers of it."""
        return [self.etag, self.size, *(["fitted"] if self.sent_size else [])]


@dataclass(frozen=True, slots=True)
class Options:
    """What else decides an answer: the actions asked of a video, and the detail of the similarity."""

    actions: str = ""
    detail: bool = False


def record_ref(record: Record, names: Pseudonyms) -> str:
    """Return the row's reference number: ours, printable, safe to type, the same each time the row is read."""
    digest = names.of("record", record.source_file, str(record.source_row), record.customer_no.reveal())
    return f"R{digest[:15].upper()}"


def subjects(record: Record, names: Pseudonyms) -> tuple[str, ...]:
    """Return the person's pseudonym under every key held, newest first: of the number's 18-digit form, else the key."""
    if record.id_number:
        return names.all_of("subject", to_18(record.id_number.reveal()))
    return names.all_of("customer", record.customer_no.reveal())


def questions(
    record: Record, check: Operation, media: dict[str, Media], options: Options, names: Pseudonyms
) -> tuple[str, ...]:
    """Return the keyed hash of all that decides the answer to `check` for a record, under every key, newest first."""
    return names.all_of("question", decides(record, check, media, options))


def decides(record: Record, check: Operation, media: dict[str, Media], options: Options) -> str:
    """Return all that decides the answer to `check` for a record, as one text: a key that comes later names it anew."""
    facts = OPERATIONS[check]
    text = [record.name.reveal(), record.id_number.reveal()] if facts.text and record.name and record.id_number else []
    seen = [[kind, *media[kind].seen] for kind in sorted(media)]
    asked = [options.actions if facts.video else "", options.detail if facts.video or facts.face else False]
    return orjson.dumps([check.value, text, seen, asked]).decode("utf-8", "surrogatepass")


def said_of(record: Record) -> tuple[str, ...]:
    """Return what a row says of its person: where two rows of one customer differ in it, one of them is wrong."""
    number = to_18(record.id_number.reveal()) if record.id_number else ""
    keys = (record.face_key, record.card_front_key, record.card_back_key, record.video_key)
    return (record.name.reveal() if record.name else "", number, *(key.reveal() if key else "" for key in keys))


def call_row(
    record: Record, check: Operation, media: dict[str, Media], options: Options, names: Pseudonyms, under: int
) -> dict[str, Any]:
    """Return what a call needs to know of its record, with the person's pseudonym under the key numbered `under`."""
    facts = OPERATIONS[check]
    return {
        "subject": subjects(record, names)[under],
        "key_id": names.key_ids[under],
        "decides": decides(record, check, media, options),
        "operation": check.value,
        "family": facts.family.value,
        "name": record.name.reveal() if record.name else "",
        "id_number": record.id_number.reveal() if record.id_number else "",
        "actions": options.actions if facts.video else "",
        "detail": options.detail,
        "cost_centre": record.cost_centre,
        "org_code": record.org_code,
        **(_pinned(media) if media else _NO_MEDIA),
    }


def _pinned(media: dict[str, Media]) -> dict[str, Any]:
    pinned = dict(_NO_MEDIA)
    for kind, item in media.items():
        told: dict[str, str | int] = {"key": item.key, "etag": item.etag, "size": item.size}
        told["sent_sha256"] = item.sent_sha256
        pinned |= {f"{kind}_{name}": value for name, value in told.items()}
    return pinned


_EMPTY: Final[dict[str, str | int]] = {"key": "", "etag": "", "size": 0, "sent_sha256": ""}
_NO_MEDIA: Final = {f"{kind}_{name}": empty for kind in MEDIA_KINDS for name, empty in _EMPTY.items()}
