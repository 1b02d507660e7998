"""Pictures of noise."""

from __future__ import annotations

import io
from random import Random

from PIL import Image


def picture(width: int = 480, height: int = 640, form: str = "JPEG", **how: object) -> bytes:
    noise = Image.frombytes("RGB", (96, 96), Random(1).randbytes(96 * 96 * 3)).resize((width, height))
    out = io.BytesIO()
    noise.save(out, form, **how)
    return out.getvalue()


def turned(how: int, width: int = 480, height: int = 640, **more: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = how
    return picture(width, height, exif=exif, **more)
