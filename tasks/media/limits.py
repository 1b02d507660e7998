"""How large, wide and long media may be. Sizes are bytes of base64 text, since those are what the provider counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """The provider's limits (reference 1.4), on the safe side of whether a MB is 10^6 or 2^20.

    `*_text` are bytes of base64 text, `*_side` pixels, `most_body` bytes of a whole request. The `original` ones bound
    what may be unpacked to make a picture fit; `fitted_text` is what it is then brought to, so that three of them and
    an envelope stay well below `most_body`.
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
    most_original_bytes: int = 20_000_000
    most_original_side: int = 12_000
    most_original_pixels: int = 40_000_000
    fitted_text: int = 2_000_000


def base64_size(size: int) -> int:
    """Return the length of the base64 text of `size` bytes."""
    return 4 * ((size + 2) // 3)


def body_bytes(sizes: Iterable[int], *, envelope: int = 4_096) -> int:
    """Return about how large a request is that carries objects of these sizes, to hold against `most_body`."""
    return envelope + sum(map(base64_size, sizes))
