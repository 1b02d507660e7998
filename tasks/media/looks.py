"""What is wrong with an object: by its size, by its first bytes, or by all of them."""

from __future__ import annotations

from tasks.media.limits import MediaLimits, base64_size
from tasks.media.pictures import JPG_START, jpg_sides, picture_problem
from tasks.media.videos import begins_like_a_video, video_problem


def size_problem(kind: str, size: int, limits: MediaLimits) -> str | None:
    """Return what is wrong with the size of an object, before a byte of it is read."""
    most = limits.most_video_text if kind == "video" else limits.most_picture_text
    text = base64_size(size)
    if not limits.least_text <= text <= most:
        return f"{text} bytes of base64 text, allowed are {limits.least_text} to {most}"
    return None


def header_problem(kind: str, head: bytes, size: int, limits: MediaLimits) -> str | None:
    """Return what is wrong with an object of `size` bytes that begins with `head`, or None.

    `kind` is ``face``, ``card_front``, ``card_back`` or ``video``. Where `head` ends before a picture tells its sides,
    they are left to `whole_problem`.
    """
    problem = size_problem(kind, size, limits)
    if problem is not None:
        return problem
    if kind == "video":
        return None if begins_like_a_video(head) else "not a video the provider takes"
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
    return video_problem(data, limits) if kind == "video" else picture_problem(data)
