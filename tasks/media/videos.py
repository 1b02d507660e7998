"""Videos: container, codec and length, read by MediaInfo and never decoded."""

from __future__ import annotations

import io
from typing import Final

from pymediainfo import MediaInfo

from tasks.media.limits import MediaLimits

CONTAINERS: Final = frozenset({"mpeg-4", "avi", "flash video", "webm", "windows media", "quicktime", "matroska"})
CODECS: Final = frozenset({"h.261", "h.263", "avc", "hevc", "vc-1", "vp8", "vp9", "wmv3", "mpeg-4 visual"})
_STARTS: Final = (b"FLV\x01", b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11")
_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})


def begins_like_a_video(head: bytes) -> bool:
    """Tell whether an object may be in a container the provider takes: flv, webm, asf, avi, mp4 or mov."""
    riff = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return riff or head[4:8] in _BOXES or head.startswith(_STARTS)


def video_problem(data: bytes, limits: MediaLimits) -> str | None:
    """Return what is wrong with a whole video, or None."""
    if len(data) > limits.most_video_bytes:
        return f"over {limits.most_video_bytes} bytes"
    try:
        info = MediaInfo.parse(io.BytesIO(data))
        general, video = info.general_tracks[0], info.video_tracks[0]
        seconds = float(general.duration or 0) / 1000
    except Exception:  # noqa: BLE001  # a stranger's bytes: whatever the reader stumbles over is the video's fault
        return "no video in it"
    if str(general.format).lower() not in CONTAINERS:
        return "container is not one the provider takes"
    if str(video.format).lower() not in CODECS:
        return "codec is not one the provider takes"
    if not limits.least_seconds <= seconds <= limits.most_seconds:
        return f"{seconds:.1f} s long, allowed are {limits.least_seconds:g} to {limits.most_seconds:g}"
    return None
