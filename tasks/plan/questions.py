"""Keyed names: of the person, of the row, and of everything that decides an answer."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from tasks.privacy import Pseudonyms
from tasks.records import OPERATIONS, Operation, Record
from tasks.records.numbers import to_18


@dataclass(frozen=True, slots=True)
class Media:
    """One media object as pinned when planning: key below the media prefix, ETag, size in bytes."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Options:
    """What else decides an answer: the actions asked of a video, and the detail of the similarity."""

    actions: str = ""
    detail: bool = False


def record_ref(record: Record, names: Pseudonyms) -> str:
    """Return the row's reference number: ours, printable, safe to type, the same each time the row is read."""
    digest = names.of("record", record.source_file, str(record.source_row), record.customer_no.reveal())
    return f"R{digest[:15].upper()}"


def subject(record: Record, names: Pseudonyms) -> str:
    """Return the person's pseudonym: of the id number in 18-digit form, else of the customer's key."""
    if record.id_number:
        return names.of("subject", to_18(record.id_number.reveal()))
    return names.of("customer", record.customer_no.reveal())


def question(record: Record, check: Operation, media: dict[str, Media], options: Options, names: Pseudonyms) -> str:
    """Return the keyed hash of everything that decides the answer to `check` for this record."""
    facts = OPERATIONS[check]
    text = [record.name.reveal(), record.id_number.reveal()] if facts.text and record.name and record.id_number else []
    seen = [[kind, media[kind].etag, media[kind].size] for kind in sorted(media)]
    asked = [options.actions if facts.video else "", options.detail if facts.video or facts.face else False]
    return names.of("question", orjson.dumps([check.value, text, seen, asked]).decode("utf-8", "surrogatepass"))
