"""Pictures that are turned or too large: told by the header, made to fit only within bounds, always the same way."""

from __future__ import annotations

import io
import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.media import MediaLimits, base64_size, fitted, jpg_sides, may_be_fitted, orientation, whole_problem
from tests.media.pictures import picture, turned

LIMITS = MediaLimits()
SMALL = MediaLimits(most_picture_text=200_000, fitted_text=150_000, most_side=800)


@pytest.mark.parametrize("how", range(1, 9))
def test_how_a_picture_is_turned_is_told_by_its_first_bytes(how: int) -> None:
    assert orientation(turned(how)[:600]) == how


def test_a_turned_picture_has_legal_sides_and_passes() -> None:
    assert whole_problem("face", turned(6), LIMITS) is None


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", picture()[:300], turned(6)[:30], turned(6).replace(b"MM\0*", b"XX\0*")]
)
def test_what_says_nothing_of_its_turn_is_upright(data: bytes) -> None:
    assert orientation(data) == 1


@given(st.binary(max_size=200))
def test_no_exif_block_is_an_exception(block: bytes) -> None:
    head = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block + b"\xff\xd9"
    assert orientation(head) in range(1, 9)


def test_a_turn_behind_another_application_block_is_found() -> None:
    data = turned(8)
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    block = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    assert orientation(data[:2] + block + data[2:]) == 8


def test_a_too_large_picture_is_made_upright_and_fits() -> None:
    data = turned(6, 1600, 1200, quality=95)
    assert may_be_fitted("face", data[:65_536], len(data), SMALL)
    made = fitted(data, SMALL)
    assert made is not None
    assert jpg_sides(made) == (600, 800), "upright, in its own proportion"
    assert base64_size(len(made)) <= SMALL.fitted_text
    assert orientation(made) == 1
    assert b"Exif" not in made
    assert whole_problem("face", made, SMALL) is None


def test_what_stood_left_stands_where_the_turn_says() -> None:
    flat = Image.new("RGB", (1000, 600), "white")
    flat.paste("black", (0, 0, 500, 600))
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    flat.save(out, "JPEG", exif=exif, quality=95)
    made = Image.open(io.BytesIO(fitted(out.getvalue(), SMALL) or b"")).convert("L")
    assert made.size == (480, 800)
    assert made.getpixel((240, 100)) < 30  # type: ignore[operator]
    assert made.getpixel((240, 700)) > 225  # type: ignore[operator]


def test_the_same_picture_is_made_to_fit_the_same_way() -> None:
    data = picture(1600, 1200, quality=95)
    assert fitted(data, SMALL) == fitted(data, SMALL)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_printers_colours_are_made_to_fit(mode: str) -> None:
    out = io.BytesIO()
    Image.frombytes(mode, (96, 96), Random(1).randbytes(96 * 96 * len(Image.new(mode, (1, 1)).getbands()))).resize(
        (1600, 1200)
    ).save(out, "JPEG", quality=95)
    assert whole_problem("face", fitted(out.getvalue(), SMALL) or b"", SMALL) is None


def patched(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.parametrize(("width", "height"), [(12_001, 600), (6_400, 6_400), (65_000, 65_000)])
def test_what_is_too_large_to_be_unpacked_is_never_unpacked(width: int, height: int) -> None:
    data = patched(picture(quality=95), width, height)
    assert not may_be_fitted("face", data, len(data), LIMITS)
    assert fitted(data, LIMITS) is None


@pytest.mark.parametrize(
    ("kind", "data", "size"),
    [
        ("video", picture(1600, 1200), 200_000),
        ("face", picture(form="PNG"), 200_000),
        ("face", picture(1600, 1200), 20_000_001),
        ("face", patched(picture(), 200, 5_000), 200_000),
        ("face", picture(), 10_000),
    ],
)
def test_only_a_too_large_jpg_is_a_case_for_fitting(kind: str, data: bytes, size: int) -> None:
    assert not may_be_fitted(kind, data, size, SMALL)


def test_a_picture_that_would_get_too_narrow_is_not_made_to_fit() -> None:
    assert fitted(picture(2400, 320, quality=95), SMALL) is None


def test_a_picture_that_stays_too_large_is_not_made_to_fit() -> None:
    assert fitted(picture(1600, 1200), MediaLimits(fitted_text=500)) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_damaged_pictures_are_made_to_fit_or_not_and_never_an_exception(seed: int, times: int) -> None:
    rng = Random(seed)
    data = bytearray(DAMAGED)
    for _ in range(times):
        data[rng.randrange(3, len(data))] = rng.randrange(256)
    made = fitted(bytes(data), SMALL)
    assert made is None or whole_problem("face", made, SMALL) is None


DAMAGED = picture(900, 700, quality=95)
