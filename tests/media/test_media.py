"""What is seen of a picture or video before money is spent."""

from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from tasks.media import MediaLimits, base64_size, body_bytes, header_problem, jpg_sides, whole_problem
from tests.media.pictures import picture

LIMITS = MediaLimits()
CLIP = Path(__file__).parents[1] / "sample" / "clip.mp4"


def test_a_good_picture_has_no_problem() -> None:
    data = picture()
    assert header_problem("face", data[:65_536], len(data), LIMITS) is None
    assert whole_problem("face", data, LIMITS) is None


@pytest.mark.parametrize(
    "how", [{}, {"progressive": True}, {"quality": 95, "comment": b"x" * 60_000}, {"exif": b"Exif\0\0" + bytes(900)}]
)
def test_the_sides_are_read_from_the_header_as_pillow_reads_them(how: dict[str, object]) -> None:
    data = picture(701, 433, **how)
    assert jpg_sides(data) == Image.open(io.BytesIO(data)).size == (701, 433)


@pytest.mark.parametrize(("width", "height"), [(299, 640), (640, 299), (4001, 400), (400, 4001)])
def test_sides_outside_the_limits_are_a_problem(width: int, height: int) -> None:
    data = picture(width, height)
    assert "pixels" in str(header_problem("face", data[:65_536], len(data), LIMITS))


@pytest.mark.parametrize("side", [300, 4000])
def test_sides_at_the_limits_pass(side: int) -> None:
    data = picture(side, 400, quality=60)
    assert whole_problem("card_front", data, LIMITS) is None


def test_a_header_cut_before_the_sides_is_left_to_the_whole_look() -> None:
    data = picture(comment=b"x" * 60_000)
    assert header_problem("face", data[:1_000], len(data), LIMITS) is None


@pytest.mark.parametrize(("size", "fits"), [(7_677, False), (7_680, True), (3_000_000, True), (3_000_001, False)])
def test_the_size_that_counts_is_that_of_the_base64_text(size: int, fits: bool) -> None:
    head = picture()[:600]
    assert (header_problem("face", head, size, LIMITS) is None) is fits
    assert base64_size(size) == 4 * -(-size // 3)


def test_a_png_named_jpg_is_not_a_jpg() -> None:
    data = picture(form="PNG")
    assert header_problem("face", data[:600], len(data), LIMITS) == "not a JPG"


def test_a_picture_cut_short_is_found_at_the_full_look() -> None:
    data = picture(900, 900, quality=95)
    assert whole_problem("face", data[: len(data) // 2], LIMITS) == "the picture is cut short"


def test_a_picture_whose_tables_are_damaged_is_found_at_the_full_look() -> None:
    data = picture(900, 900, quality=95)
    at = data.index(b"\xff\xc4") + 5
    assert whole_problem("face", data[:at] + b"\xff" * 16 + data[at + 16 :], LIMITS) == "the picture can't be decoded"


def test_a_decompression_bomb_is_refused_by_its_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture(quality=95)
    at = data.index(b"\xff\xc0") + 5
    bomb = data[:at] + struct.pack(">HH", 65_000, 65_000) + data[at + 4 :]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)  # nobody decodes it
    assert "65000 x 65000" in str(whole_problem("face", bomb, LIMITS))


def test_a_picture_of_very_many_scans_is_not_decoded() -> None:
    data = picture(1200, 1200, progressive=True)
    scan = data[data.index(b"\xff\xda") : -2]
    assert "scans" in str(whole_problem("face", data[:-2] + scan[:200] * 5_000 + b"\xff\xd9", LIMITS))


def test_a_second_frame_header_with_other_sides_does_not_pass() -> None:
    data = picture(quality=95)
    at = data.index(b"\xff\xc0")
    frame = data[at : at + 19]
    small = frame[:5] + struct.pack(">HH", 301, 301) + frame[9:]
    assert whole_problem("face", data[:at] + small + data[at:], LIMITS) is not None


@pytest.mark.parametrize("seed", range(60))
def test_damaged_pictures_are_a_problem_or_a_picture_never_an_exception(seed: int) -> None:
    rng = Random(seed)
    data = bytearray(picture(320, 320, quality=90))
    for _ in range(rng.randint(1, 40)):
        data[rng.randrange(3, len(data))] = rng.randrange(256)
    assert whole_problem("face", bytes(data), LIMITS) in {
        None,
        "the picture can't be decoded",
        "the picture is cut short",
        "not a JPG that can be read",
        "two frame headers that disagree",
    }


def test_looks_run_side_by_side_in_threads() -> None:
    good, bad = picture(), picture(form="PNG")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda data: whole_problem("face", data, LIMITS), [good, bad] * 20))
    assert found == [None, "not a JPG"] * 20


def test_a_good_video_has_no_problem() -> None:
    assert whole_problem("video", CLIP.read_bytes(), LIMITS) is None


def test_a_video_that_is_too_long_or_too_short_is_told_with_its_length() -> None:
    data = CLIP.read_bytes()
    assert "s long" in str(whole_problem("video", data, MediaLimits(most_seconds=1.0)))
    assert "s long" in str(whole_problem("video", data, MediaLimits(least_seconds=14.0)))


def test_bytes_without_a_video_are_a_problem() -> None:
    assert whole_problem("video", Random(2).randbytes(20_000), LIMITS) == "not a video the provider takes"
    assert whole_problem("video", CLIP.read_bytes()[:16] + Random(2).randbytes(20_000), LIMITS) == "no video in it"
    assert whole_problem("video", picture(quality=95), LIMITS) is not None
    assert whole_problem("video", CLIP.read_bytes()[:40] + bytes(20_000), LIMITS) is not None


def test_a_container_or_codec_the_provider_does_not_take_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.media.videos.CODECS", frozenset({"vp9"}))
    assert "codec" in str(whole_problem("video", CLIP.read_bytes(), LIMITS))
    monkeypatch.setattr("tasks.media.videos.CONTAINERS", frozenset({"avi"}))
    assert "container" in str(whole_problem("video", CLIP.read_bytes(), LIMITS))


def test_a_video_over_eight_megabytes_is_refused_whatever_the_text_limit() -> None:
    data = CLIP.read_bytes()[:16] + bytes(8_000_001)
    assert "8000000 bytes" in str(whole_problem("video", data, MediaLimits(most_video_text=20_000_000)))


def test_the_body_is_the_sum_of_the_base64_texts_and_an_envelope() -> None:
    assert body_bytes([3, 4], envelope=100) == 112
