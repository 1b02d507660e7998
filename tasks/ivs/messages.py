"""Bodies of requests and answers, field by field (reference 1.3 to 1.7)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pybase64

from tasks.ivs.errors import BodyTooLarge
from tasks.privacy import Personal
from tasks.records import OPERATIONS, Family, Operation

PATHS: Final = {Family.TWO_FACTOR: "/v2.0/ivs-idcard-extention", Family.THREE_FACTOR: "/v2.0/ivs-standard"}
MOST_BYTES: Final = 12_000_000
ENVELOPE: Final = 128
"""What comes around `req_data`, a uuid of 64 characters included."""
IN_THREAD: Final = 1_000_000
"""Bodies over this are built and hashed in a thread."""
_SHORT: Final = re.compile(r"[\w.+-]{1,64}", re.ASCII)
"""What a code, a result or an id may look like; anything else in their place is not kept, whatever it holds."""


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked of the provider; each operation uses the fields reference 1.4 gives it."""

    operation: Operation
    name: Personal[str] | None = None
    number: Personal[str] | None = None
    card_front: bytes | None = field(default=None, repr=False)
    card_back: bytes | None = field(default=None, repr=False)
    face: bytes | None = field(default=None, repr=False)
    video: bytes | None = field(default=None, repr=False)
    actions: str | None = None
    nod_threshold: float | None = None
    detail: bool | None = None
    crop: bool | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """`req_data` as bytes, built once; each attempt only puts its own uuid in front."""

    operation: Operation
    req_data: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The operation's path."""
        return PATHS[OPERATIONS[self.operation].family]

    async def with_uuid(self, uuid: str) -> tuple[bytes, str]:
        """Return the whole body under a uuid, and its SHA-256 in hex."""
        if len(self.req_data) > IN_THREAD:
            return await asyncio.to_thread(self._whole, uuid)
        return self._whole(uuid)

    def _whole(self, uuid: str) -> tuple[bytes, str]:
        meta = orjson.dumps({"uuid": uuid})
        body = b"".join((b'{"meta":', meta, b',"data":{"req_data":[', self.req_data, b"]}}"))
        return body, hashlib.sha256(body).hexdigest()


async def encode(check: Check) -> Body:
    """Return a check's body.

    Raises:
        BodyTooLarge: over 12 MB (reference 5); nothing was sent.
    """
    media = [data for data in (check.card_front, check.card_back, check.face, check.video) if data]
    size = sum(4 * ((len(data) + 2) // 3) for data in media)
    if size > MOST_BYTES:
        raise BodyTooLarge("BodyTooLarge")
    data = await asyncio.to_thread(_req_data, check) if size > IN_THREAD else _req_data(check)
    if len(data) + ENVELOPE > MOST_BYTES:
        raise BodyTooLarge("BodyTooLarge")
    return Body(check.operation, data)


def _req_data(check: Check) -> bytes:
    facts = OPERATIONS[check.operation]
    small: dict[str, Any] = {}
    if facts.text and check.name and check.number:
        small |= {"verification_name": check.name.reveal(), "verification_id": check.number.reveal()}
    if facts.video:
        small |= {"actions": check.actions, "nod_threshold": check.nod_threshold}
    if facts.face or facts.video:
        small["detail"] = check.detail
    if facts.face:
        small["crop"] = check.crop
    large = {
        "idcard_image1": check.card_front if facts.card else None,
        "idcard_image2": check.card_back if facts.card else None,
        "face_image": check.face if facts.face else None,
        "video": check.video if facts.video else None,
    }
    said = orjson.dumps({name: value for name, value in small.items() if value is not None})
    fields = [said[1:-1]] if len(said) > 2 else []
    fields += [b'"%s":"%s"' % (name.encode(), pybase64.b64encode(data)) for name, data in large.items() if data]
    return b"{" + b",".join(fields) + b"}"


@dataclass(frozen=True, slots=True)
class IdCard:
    """What OCR read from a card (reference 1.5); only what is compared is taken, the rest is dropped here."""

    name: Personal[str]
    number: Personal[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A well-formed 200."""

    uuid: str
    code: str
    result: str
    similarity: str | None = None
    alive: bool | None = None
    idcard: IdCard | None = None


def verdict_of(content: bytes) -> Verdict | None:
    """Return the verdict of a 200's body, or None where it is not one: cut short, not JSON, an error inside.

    `similarity` may be text or a number, optional parts may be missing; ``video_result.picture`` is never kept.
    """
    try:
        parsed = orjson.loads(content)
        uuid = parsed["meta"]["uuid"]
        (found,) = parsed["result"]["resp_data"]
        code, result = short(found["verification_code"]), found["verification_result"]
    except (orjson.JSONDecodeError, KeyError, ValueError, TypeError):
        return None
    if code is None or "error_code" in parsed:
        return None
    return Verdict(
        uuid=str(uuid),
        code=code,
        result=short(result) or "",
        similarity=short(found.get("similarity")),
        alive=_alive(found.get("video_result")),
        idcard=_card(found.get("idcard_result")),
    )


def error_of(content: bytes) -> tuple[str | None, str, str | None]:
    """Return code, message and request id of an error body in any of the forms of reference 1.7; no code where none."""
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None, "", None
    for part in (parsed, *(parsed.values() if isinstance(parsed, dict) else ())):
        if isinstance(part, dict):
            for code, message in (("error_code", "error_msg"), ("errorCode", "errorMsg"), ("code", "message")):
                if code in part:
                    return short(part[code]), str(part.get(message, "")), short(part.get("request_id"))
    return None, "", None


def short(value: Any) -> str | None:
    """Return a code, number, result or id as text; None where the value can't be one: nothing else slips through."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if _SHORT.fullmatch(text) else None


def _alive(video: Any) -> bool | None:
    alive = video.get("alive") if isinstance(video, dict) else None
    return alive if isinstance(alive, bool) else None


def _card(card: Any) -> IdCard | None:
    if not isinstance(card, dict):
        return None
    return IdCard(Personal(str(card.get("name") or "")), Personal(str(card.get("number") or "")))
