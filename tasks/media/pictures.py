"""JPG pictures: what their first bytes tell, and whether they can be decoded to the end.

A picture is decoded only after its header has promised sides within limits, so a decompression bomb is never unpacked.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from PIL import Image
from PIL.ExifTags import Base as ExifTag

JPG_START: Final = b"\xff\xd8\xff"
JPG_END: Final = b"\xff\xd9"
MOST_SCANS: Final = 64
"""A progressive JPG has about ten; thousands keep a decoder busy for minutes."""

_SCAN: Final = b"\xff\xda"
_EXIF: Final = 0xE1
_EXIF_START: Final = b"Exif\0\0"
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_SIDES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def jpg_sides(head: bytes) -> tuple[int, int] | None:
    """Return the width and height that a JPG's frame header tells, or None where `head` does not reach it."""
    at = next((at for marker, at in _segments(head) if marker in _SIDES), len(head))
    if at + 9 > len(head):
        return None
    return int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7])


def orientation(head: bytes) -> int:
    """Return how a picture is to be turned to stand upright (EXIF, 1 to 8); 1, upright, where it doesn't say.

    Decoders differ in whether they turn it, and what the provider does is not known.
    """
    at = next((at for marker, at in _segments(head) if marker == _EXIF and head.startswith(_EXIF_START, at + 4)), None)
    if at is None:
        return 1
    exif = Image.Exif()
    try:
        exif.load(head[at + 4 : at + 2 + int.from_bytes(head[at + 2 : at + 4])])
        told = exif.get(ExifTag.Orientation, 1)
    except Exception:  # noqa: BLE001  # a stranger's bytes: what can't be read says nothing
        return 1
    return told if told in range(1, 9) else 1


def picture_problem(data: bytes) -> str | None:
    """Return what is wrong with a whole JPG whose header is fine, or None."""
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


def _segments(head: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker and place of each segment of a JPG that `head` reaches, until one is not a segment."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker not in _ALONE | {0xFF}:
            yield marker, at
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + int.from_bytes(head[at + 2 : at + 4])
