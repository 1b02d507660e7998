"""Pictures and videos as received: really decoded, and read for the labels that make OCR and comparison deterministic.

A label is JSON behind the marker ``ivs-simulator:``, in a JPEG comment or an MP4 ``free`` box:
``{"card": {"name": ..., "number": ..., "side": "portrait" | "emblem"}}``, ``{"card": "unreadable"}``,
``{"face_of": "<number>"}``, ``{"face": "none" | "blurred"}``, and for videos ``{"face_of": ..., "actions": "3",
"alive": true}``.
A card without a label is read as an invented person; a face without one is that of whoever is asked about.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import json
import warnings
from typing import Any, Final

import pybase64
from PIL import Image
from pymediainfo import MediaInfo

from tasks.simulator.people import with_check

MARK: Final = b"ivs-simulator:"
CONTAINERS: Final = frozenset({"mpeg-4", "avi", "flash video", "webm", "windows media", "quicktime", "matroska"})
CODECS: Final = frozenset({"h.261", "h.263", "avc", "hevc", "vc-1", "vp8", "vp9", "wmv3"})
LEAST_TEXT: Final = 10_240
MOST_PICTURE: Final = 4_194_304
MOST_VIDEO: Final = 10_485_760


class BadMediaError(Exception):
    """A picture or video the service refuses: the IVS code, and what stands for ``%s`` in its text."""

    def __init__(self, code: str, what: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.what = what


def decoded(text: str, *, most: int, code: str) -> bytes:
    """Return the bytes of base64 text within the size limits.

    Raises:
        BadMediaError: too long, too short (`code`), or not base64 (IVS.0011).
    """
    if not LEAST_TEXT <= len(text) <= most:
        raise BadMediaError(code)
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadMediaError("IVS.0011") from None


def check_picture(data: bytes, code: str) -> None:
    """Decode a JPG whole and check its sides; raise BadMediaError with `code`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
                if not all(300 <= side <= 4000 for side in picture.size):
                    raise BadMediaError(code, "image size")
                picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadMediaError(code, "image format") from None


def check_video(data: bytes) -> None:
    """Look into a video's container; raise BadMediaError IVS.0008."""
    if len(data) > 8_388_608:
        raise BadMediaError("IVS.0005")
    info = MediaInfo.parse(io.BytesIO(data))
    if not info.general_tracks or not info.video_tracks:
        raise BadMediaError("IVS.0008", "no video stream")
    general, video = info.general_tracks[0], info.video_tracks[0]
    if str(general.format).lower() not in CONTAINERS or str(video.format).lower() not in CODECS:
        raise BadMediaError("IVS.0008", "video format not supported")
    if not 1.0 <= float(general.duration or 0) / 1000 <= 15.0:
        raise BadMediaError("IVS.0008", "video duration")


def label(data: bytes) -> dict[str, Any]:
    """Return a picture's or video's label, or an empty one."""
    at = data.find(MARK)
    if at < 0:
        return {}
    text = data[at + len(MARK) : at + len(MARK) + 4_096].decode("utf-8", "replace")
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def read_card(data: bytes) -> dict[str, str]:
    """Return what OCR reads from a card's portrait side.

    Raises:
        BadMediaError: labelled as unreadable, or as the emblem side (IVS.0007).
    """
    card = label(data).get("card")
    if card == "unreadable":
        raise BadMediaError("IVS.0007", "no id card detected")
    if isinstance(card, dict) and card.get("side") == "emblem":
        raise BadMediaError("IVS.0007", "portrait side expected")
    known = card if isinstance(card, dict) else _invented(data)
    number = str(known.get("number", ""))
    return {
        "name": str(known.get("name", "")),
        "number": number,
        "sex": "男" if number[-2:-1].isdigit() and int(number[-2]) % 2 else "女",
        "birth": f"{number[6:10]}-{number[10:12]}-{number[12:14]}",
        "ethnicity": "汉",
        "address": "示例省示例市示例区示例路1号",
    }


def _invented(data: bytes) -> dict[str, str]:
    place = int.from_bytes(hashlib.sha256(data).digest()[:4], "big")
    body = f"110105{1850 + place % 50}{place % 12 + 1:02d}{place % 28 + 1:02d}{place % 1000:03d}"
    return {"name": f"样{chr(0x4E00 + place % 5000)}", "number": with_check(body)}
