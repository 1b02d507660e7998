"""Make a too large JPG fit: upright, within the provider's sides and size. Only where the profile allows it.

The same bytes give the same bytes: what is planned can be made again before sending, and held against its digest.
"""

from __future__ import annotations

import io
import threading
from typing import Final

from PIL import Image, ImageOps

from tasks.media.limits import MediaLimits, base64_size
from tasks.media.pictures import JPG_START, jpg_sides, picture_problem

QUALITIES: Final = (92, 85, 75, 60)
_UNPACKED: Final = threading.Lock()
"""One large picture is unpacked at a time: each may need some 400 MB."""


def may_be_fitted(kind: str, head: bytes, size: int, limits: MediaLimits) -> bool:
    """Tell whether an object that begins with `head` is a JPG that is too large, and not too large to be unpacked."""
    if kind == "video" or not head.startswith(JPG_START) or size > limits.most_original_bytes:
        return False
    sides = jpg_sides(head)
    if sides is None:
        return len(head) < size
    too_large = max(sides) > limits.most_side or base64_size(size) > limits.most_picture_text
    return too_large and min(sides) >= limits.least_side and _may_be_unpacked(sides, limits)


def fitted(data: bytes, limits: MediaLimits) -> bytes | None:
    """Return a whole JPG upright, within sides and size, without its EXIF; None where it can't be brought there."""
    sides = jpg_sides(data)
    if sides is None or not _may_be_unpacked(sides, limits) or picture_problem(data) is not None:
        return None
    with _UNPACKED:
        picture = _upright(data, limits)
        if min(picture.size) < limits.least_side:
            return None
        for quality in QUALITIES:
            packed = io.BytesIO()
            picture.save(packed, "JPEG", quality=quality)
            if base64_size(packed.tell()) <= limits.fitted_text:
                return packed.getvalue()
    return None


def _upright(data: bytes, limits: MediaLimits) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
        picture.draft("RGB", (limits.most_side, limits.most_side))
        turned = ImageOps.exif_transpose(picture).convert("RGB")
    turned.thumbnail((limits.most_side, limits.most_side), Image.Resampling.LANCZOS)
    turned.info.clear()
    return turned


def _may_be_unpacked(sides: tuple[int, int], limits: MediaLimits) -> bool:
    return max(sides) <= limits.most_original_side and sides[0] * sides[1] <= limits.most_original_pixels
