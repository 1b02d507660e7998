"""Looks at pictures and videos before money is spent (reference 1.4): cheap by header, whole before sending.

Nothing here raises on bad input: a problem is a sentence that says what is wrong and never shows content. Sizes are
bytes of base64 text, since those are what the provider counts.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Final

from PIL import Image, UnidentifiedImageError
from pymediainfo import MediaInfo

JPG_START: Final = b"\xff\xd8\xff"
JPG_END: Final = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """The provider's limits, on the safe side where it does not say whether a MB is 10^6 or 2^20."""

    least_text: int = 10_240
    most_picture_text: int = 4_000_000
    most_video_text: int = 10_000_000
    least_side: int = 300
    most_side: int = 4_000
    least_seconds: float = 1.0
    most_seconds: float = 15.0
    most_video_bytes: int = 8_000_000


CONTAINERS: Final = frozenset({"mpeg-4", "avi", "flash video", "webm", "windows media", "quicktime", "matroska"})
CODECS: Final = frozenset({"h.261", "h.263", "avc", "hevc", "vc-1", "vp8", "vp9", "wmv3", "mpeg-4 visual"})


def base64_size(size: int) -> int:
    """Return the length of the base64 text of `size` bytes."""
    return 4 * ((size + 2) // 3)


def header_problem(kind: str, head: bytes, size: int, limits: MediaLimits) -> str | None:
    """Return what is wrong with an object of `size` bytes that begins with `head`, or None.

    `kind` is ``face``, ``card_front``, ``card_back`` or ``video``.
    """
    most = limits.most_video_text if kind == "video" else limits.most_picture_text
    text = base64_size(size)
    if not limits.least_text <= text <= most:
        return f"{text} bytes of base64 text, allowed are {limits.least_text} to {most}"
    if kind == "video":
        return None
    if not head.startswith(JPG_START):
        return "not a JPG"
    return _sides_problem(head, limits, may_be_short=len(head) < size)


def whole_problem(kind: str, data: bytes, limits: MediaLimits) -> str | None:
    """Return what is wrong with a whole object, or None: decoded to its end, or its container read."""
    problem = header_problem(kind, data, len(data), limits)
    if problem is not None:
        return problem
    return _video_problem(data, limits) if kind == "video" else _picture_problem(data)


def _sides_problem(head: bytes, limits: MediaLimits, *, may_be_short: bool) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(head), formats=("JPEG",)) as picture:
                width, height = picture.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None if may_be_short else "not a JPG that can be read"
    if not (limits.least_side <= width <= limits.most_side and limits.least_side <= height <= limits.most_side):
        return f"{width} x {height} pixels, allowed are {limits.least_side} to {limits.most_side} a side"
    return None


def _picture_problem(data: bytes) -> str | None:
    if JPG_END not in data[-64:]:
        return "the picture is cut short"
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            picture.draft("L", (picture.width // 4, picture.height // 4))
            picture.load()
    except (OSError, ValueError, SyntaxError):
        return "the picture can't be decoded"
    return None


def _video_problem(data: bytes, limits: MediaLimits) -> str | None:
    if len(data) > limits.most_video_bytes:
        return f"over {limits.most_video_bytes} bytes"
    info = MediaInfo.parse(io.BytesIO(data))
    if not info.general_tracks or not info.video_tracks:
        return "no video in it"
    general, video = info.general_tracks[0], info.video_tracks[0]
    if str(general.format).lower() not in CONTAINERS:
        return "container is not one the provider takes"
    if str(video.format).lower() not in CODECS:
        return "codec is not one the provider takes"
    seconds = float(general.duration or 0) / 1000
    if not limits.least_seconds <= seconds <= limits.most_seconds:
        return f"{seconds:.1f} s long, allowed are {limits.least_seconds:g} to {limits.most_seconds:g}"
    return None
