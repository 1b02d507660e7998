"""The order in which a request is looked at (reference 8.2), from its content type to the business result."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pybase64

from tasks.simulator.media import (
    MOST_PICTURE,
    MOST_VIDEO,
    BadMediaError,
    check_picture,
    check_video,
    decoded,
    label,
    read_card,
)
from tasks.simulator.people import effect_of, for_family, number_18, similarity, with_check

PATHS: Final = {"/v2.0/ivs-idcard-extention": "two_factor", "/v2.0/ivs-standard": "three_factor"}
SERVICES: Final = {"two_factor": "ivs-idcard-extention", "three_factor": "ivs-standard"}
_TYPES: Final = {
    "verification_name": str, "verification_id": str, "idcard_image1": str, "idcard_image2": str, "face_image": str,
    "video": str, "actions": str, "nod_threshold": (int, float), "detail": bool, "crop": bool,
}  # fmt: skip
_SMALL_FACE: Final = pybase64.b64encode(b"simulated face").decode()


class RefusedError(Exception):
    """A request the service refuses: its IVS code, and what stands for ``%s``."""

    def __init__(self, code: str, what: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.what = what


@dataclass(slots=True)
class Question:
    """A request that passed the checks of form: its operation and fields."""

    uuid: str
    family: str
    operation: str
    fields: dict[str, Any]
    faces: list[dict[str, Any]] = field(default_factory=list)
    card: dict[str, str] = field(default_factory=dict)


def parse(body: bytes) -> tuple[str, list[Any]]:
    """Return ``meta.uuid`` and ``req_data`` of a body.

    Raises:
        RefusedError: IVS.0001 for a body or a ``meta`` that is not one, IVS.0003 without ``data``.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError("IVS.0001") from None
    meta = parsed.get("meta") if isinstance(parsed, dict) else None
    if not isinstance(meta, dict) or not meta:
        raise RefusedError("IVS.0001")
    uuid = meta.get("uuid", "")
    if not isinstance(uuid, str) or len(uuid) > 64:
        raise RefusedError("IVS.0011", "uuid")
    data = parsed.get("data")
    rows = data.get("req_data") if isinstance(data, dict) else None
    return uuid, rows if isinstance(rows, list) else []


def question(uuid: str, family: str, rows: list[Any]) -> Question:
    """Return the question of ``req_data``: which operation it is, its mandatory fields and types checked."""
    if len(rows) > 1:
        raise RefusedError("IVS.0002")
    if not rows or not isinstance(rows[0], dict):
        raise RefusedError("IVS.0003")
    fields = {name: value for name, value in rows[0].items() if value is not None}
    operation = operation_of(family, fields)
    if not operation:
        raise RefusedError("IVS.0003")
    for name, value in fields.items():
        wanted = _TYPES.get(name)
        if wanted and (not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool))):  # type: ignore[arg-type]  # a type or a tuple of types
            raise RefusedError("IVS.0011", name)
    return Question(uuid, family, operation, fields)


def operation_of(family: str, fields: dict[str, Any]) -> str:
    """Return the operation that the fields of ``req_data[0]`` ask for, or an empty text where a mandatory one lacks."""
    text = bool(fields.get("verification_name")) and bool(fields.get("verification_id"))
    card = bool(fields.get("idcard_image1"))
    if not text and not card:
        return ""
    how = "text" if text else "image"
    if family == "two_factor":
        return f"id2_{how}"
    if fields.get("video"):
        return f"id3_{how}_video" if fields.get("actions") else ""
    return f"id3_{how}_face" if fields.get("face_image") else ""


def look(asked: Question) -> None:
    """Check formats, sizes, pictures and video; fill in what OCR and face detection see."""
    fields = asked.fields
    if asked.operation.split("_")[1] == "text":
        _check_text(str(fields["verification_name"]), str(fields["verification_id"]))
    if "video" in asked.operation:
        _check_actions(fields)
    try:
        _pictures(asked)
    except BadMediaError as bad:
        raise RefusedError(bad.code, bad.what) from None


def effect(asked: Question, on: dt.date) -> str:
    """Return the business result: a verification code, or a test identity's effect."""
    name, number = who(asked)
    found = effect_of(name, number, on=on)
    if not found.isdigit():
        return found
    return _by_face(asked, number, for_family(found, asked.family))


def who(asked: Question) -> tuple[str, str]:
    """Return name and number of the person asked about: as said, or as read from the card."""
    if asked.card:
        return asked.card["name"], asked.card["number"]
    return str(asked.fields["verification_name"]), str(asked.fields["verification_id"])


def answer(asked: Question, code: str, result: str, message: str) -> dict[str, Any]:
    """Return the body of a 200 (reference 1.5)."""
    name, number = who(asked)
    row: dict[str, Any] = {
        "verification_result": result,
        "verification_message": message,
        "verification_code": int(code),
    }
    if asked.family == "three_factor":
        row["similarity"] = similarity(name, number, code, detail=bool(asked.fields.get("detail")))
    if asked.card:
        row["idcard_result"] = asked.card
    if "video" in asked.operation:
        actions = [{"confidence": 0.93, "action": int(one)} for one in str(asked.fields["actions"]).split(",")]
        row["video_result"] = {"alive": True, "actions": actions, "picture": _SMALL_FACE}
    result_of = {"service_name": SERVICES[asked.family], "count": 1, "resp_data": [row]}
    return {"meta": {"uuid": asked.uuid}, "result": result_of}


def _check_text(name: str, number: str) -> None:
    if len(name) > 64 or any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for letter in name):
        raise RefusedError("IVS.0011", "verification_name")
    if len(number) not in {15, 18} or not number[:-1].isdigit() or not (number[-1].isdigit() or number[-1] in "Xx"):
        raise RefusedError("IVS.0011", "verification_id")
    full = number_18(number)
    try:
        dt.date(int(full[6:10]), int(full[10:12]), int(full[12:14]))
    except ValueError:
        raise RefusedError("IVS.0011", "verification_id") from None
    if with_check(full[:17]) != full:
        raise RefusedError("IVS.0011", "verification_id")


def _check_actions(fields: dict[str, Any]) -> None:
    if any(one not in {"1", "2", "3", "4"} for one in str(fields["actions"]).split(",")):
        raise RefusedError("IVS.0011", "actions")
    if not 1 <= float(fields.get("nod_threshold", 10)) <= 90:
        raise RefusedError("IVS.0011", "nod_threshold")


def _pictures(asked: Question) -> None:
    fields = asked.fields
    cards = [
        decoded(str(fields[name]), most=MOST_PICTURE, code="IVS.0004")
        for name in ("idcard_image1", "idcard_image2")
        if name in fields and "image" in asked.operation
    ]
    face = decoded(str(fields["face_image"]), most=MOST_PICTURE, code="IVS.0004") if "face" in asked.operation else b""
    video = decoded(str(fields["video"]), most=MOST_VIDEO, code="IVS.0005") if "video" in asked.operation else b""
    for card in cards:
        check_picture(card, "IVS.0007")
    if cards:
        asked.card = read_card(cards[0])
        if len(cards) > 1:
            asked.card |= {"issue": "示例市公安局示例分局", "valid_from": "2016-03-01", "valid_to": "2036-03-01"}
    if face:
        check_picture(face, "IVS.0006")
        asked.faces.append(label(face))
    if video:
        check_video(video)
        asked.faces.append(label(video))
    for seen in asked.faces:
        _face_problem(seen, str(fields.get("actions", "")))


def _face_problem(seen: dict[str, Any], actions: str) -> None:
    if seen.get("face") == "none":
        raise BadMediaError("IVS.0009", "no face detected")
    if seen.get("face") == "odd":
        raise BadMediaError("IVS.0010", "face can not be compared")
    if seen.get("alive") is False or ("actions" in seen and str(seen["actions"]) != actions):
        raise BadMediaError("IVS.0008", "action not matched")


def _by_face(asked: Question, number: str, code: str) -> str:
    """A verified identity may still have another's face, or one that can't be judged."""
    if code != "1000":
        return code
    for seen in asked.faces:
        if seen.get("face") == "blurred":
            return "2003"
        if "face_of" in seen and number_18(str(seen["face_of"])) != number_18(number):
            return "2002"
    return code
