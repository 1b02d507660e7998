"""Looks at pictures and videos before money is spent (reference 1.4): cheap by header, whole before sending.

Nothing here raises on bad input: a problem is a sentence that says what is wrong and never shows content. Sizes are
bytes of base64 text, since those are what the provider counts. A picture is decoded only after its header has promised
sides within the limits, so a decompression bomb is never unpacked. All functions may run in threads, side by side.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from PIL import Image
from pymediainfo import MediaInfo

JPG_START: Final = b"\xff\xd8\xff"
JPG_END: Final = b"\xff\xd9"
MOST_SCANS: Final = 64
"""A progressive JPG has about ten; thousands keep a decoder busy for minutes."""

CONTAINERS: Final = frozenset({"mpeg-4", "avi", "flash video", "webm", "windows media", "quicktime", "matroska"})
CODECS: Final = frozenset({"h.261", "h.263", "avc", "hevc", "vc-1", "vp8", "vp9", "wmv3", "mpeg-4 visual"})
_SCAN: Final = b"\xff\xda"
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_SIDES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """The provider's limits (reference 1.4), on the safe side of whether a MB is 10^6 or 2^20.

    `*_text` are bytes of base64 text, `*_side` pixels, `most_body` bytes of a whole request.
    """

    least_text: int = 10_240
    most_picture_text: int = 4_000_000
    most_video_text: int = 10_000_000
    least_side: int = 300
    most_side: int = 4_000
    least_seconds: float = 1.0
    most_seconds: float = 15.0
    most_video_bytes: int = 8_000_000
    most_body: int = 12_000_000


def base64_size(size: int) -> int:
    """Return the length of the base64 text of `size` bytes."""
    return 4 * ((size + 2) // 3)


def body_bytes(sizes: Iterable[int], *, envelope: int = 4_096) -> int:
    """Return about how large a request is that carries objects of these sizes, to hold against `most_body`."""
    return envelope + sum(map(base64_size, sizes))


def header_problem(kind: str, head: bytes, size: int, limits: MediaLimits) -> str | None:
    """Return what is wrong with an object of `size` bytes that begins with `head`, or None.

    `kind` is ``face``, ``card_front``, ``card_back`` or ``video``. Where `head` ends before a picture tells its sides,
    they are left to `whole_problem`.
    """
    most = limits.most_video_text if kind == "video" else limits.most_picture_text
    text = base64_size(size)
    if not limits.least_text <= text <= most:
        return f"{text} bytes of base64 text, allowed are {limits.least_text} to {most}"
    if kind == "video":
        return None
    if not head.startswith(JPG_START):
        return "not a JPG"
    sides = jpg_sides(head)
    if sides is None:
        return None if len(head) < size else "not a JPG that can be read"
    if not limits.least_side <= min(sides) <= max(sides) <= limits.most_side:
        return f"{sides[0]} x {sides[1]} pixels, allowed are {limits.least_side} to {limits.most_side} a side"
    return None


def whole_problem(kind: str, data: bytes, limits: MediaLimits) -> str | None:
    """Return what is wrong with a whole object, or None: decoded to its end, or its container read.

    A hole in the middle of a picture with a good ending is not seen: decoders fill it with grey.
    """
    problem = header_problem(kind, data, len(data), limits)
    if problem is not None:
        return problem
    return _video_problem(data, limits) if kind == "video" else _picture_problem(data)


def jpg_sides(head: bytes) -> tuple[int, int] | None:
    """Return the width and height that a JPG's frame header tells, or None where `head` does not reach it."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _SIDES:
            return int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7])
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + int.from_bytes(head[at + 2 : at + 4])
    return None


def _picture_problem(data: bytes) -> str | None:
    if JPG_END not in data[-64:]:
        return "the picture is cut short"
    if data.count(_SCAN) > MOST_SCANS:
        return f"more than {MOST_SCANS} scans"
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            told = picture.size
            picture.draft("L", (told[0] // 4, told[1] // 4))
            picture.load()
    except Exception:  # noqa: BLE001  # a stranger's bytes: whatever the decoder stumbles over is the picture's fault
        return "the picture can't be decoded"
    return None if told == jpg_sides(data) else "two frame headers that disagree"


def _video_problem(data: bytes, limits: MediaLimits) -> str | None:
    if len(data) > limits.most_video_bytes:
        return f"over {limits.most_video_bytes} bytes"
    try:
        info = MediaInfo.parse(io.BytesIO(data))
        general, video = info.general_tracks[0], info.video_tracks[0]
        seconds = float(general.duration or 0) / 1000
    except Exception:  # noqa: BLE001  # see above
        return "no video in it"
    if str(general.format).lower() not in CONTAINERS:
        return "container is not one the provider takes"
    if str(video.format).lower() not in CODECS:
        return "codec is not one the provider takes"
    if not limits.least_seconds <= seconds <= limits.most_seconds:
        return f"{seconds:.1f} s long, allowed are {limits.least_seconds:g} to {limits.most_seconds:g}"
    return None
