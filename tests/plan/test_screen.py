"""Media before money: keys that lead elsewhere, objects that can't pass, pictures made to fit; on both kinds of store."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from tasks.ledger.runs import plan_of
from tasks.media import fitted
from tasks.plan.questions import Media
from tasks.plan.screen import HEAD_BYTES, Screen, media_of
from tasks.privacy import Personal, PseudonymKey, Pseudonyms, Secret
from tasks.records import Operation, Reason, Record
from tasks.settings import MediaRules, Secrets
from tasks.settings.profile import SourceLayout
from tasks.storage import ObjectInfo, Store, open_store
from tasks.storage.folder import FolderStore
from tests.media.pictures import picture, turned
from tests.nights import Nights
from tests.people import invented

NAMES = Pseudonyms([PseudonymKey("k1", Secret(b"k" * 32))])
ONE = Record("a.csv", 2, Personal("C1"), name=Personal("张三"), id_number=Personal("440524188001010014"))
FACE = Operation.ID3_TEXT_FACE
LARGE = picture(4_400, 3_000, quality=97)
CLIP = (Path(__file__).parents[1] / "sample" / "clip.mp4").read_bytes()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "media", make=True)
    s3 = request.getfixturevalue("s3")
    keys = {
        "IVS_BACKFILL_STORE_ACCESS_KEY": s3.access_key.reveal(),
        "IVS_BACKFILL_STORE_SECRET_KEY": s3.secret_key.reveal(),
    }
    return open_store(f"s3://tests/{uuid.uuid4().hex}/granted", s3.settings(), Secrets(keys))


def screened(store: Store, key: str, check: Operation = FACE, **rules: Any) -> Any:
    record = replace(ONE, face_key=Personal(key), video_key=Personal(key), card_front_key=Personal(key))
    return Screen(store, MediaRules(**rules), NAMES).one(record, check)


@pytest.mark.parametrize(
    "key",
    [
        "../other/f.jpg", "/etc/passwd", "a/../../f.jpg", "./f.jpg", "a//f.jpg", "s3://other/f.jpg", "..\\f.jpg",
        "file:///etc/passwd", "f.jpg\0", "f\n.jpg", "..", "k/" * 600 + "f.jpg",
    ],
)  # fmt: skip
def test_a_key_that_leads_out_of_the_granted_prefix_is_forbidden(store: Store, key: str) -> None:
    found = screened(store, key)
    assert (found.reason, found.column) == (Reason.MEDIA_FORBIDDEN, "face_key")
    assert key not in repr(found)


@pytest.mark.parametrize("scheme", ["s3", "obs"])
def test_a_whole_address_below_the_granted_prefix_is_the_object_there(scheme: str, s3: Any) -> None:
    keys = {
        "IVS_BACKFILL_STORE_ACCESS_KEY": s3.access_key.reveal(),
        "IVS_BACKFILL_STORE_SECRET_KEY": s3.secret_key.reveal(),
    }
    folder = uuid.uuid4().hex
    store = open_store(f"s3://tests/{folder}/granted", s3.settings(), Secrets(keys))
    store.put("f.jpg", picture())
    found = screened(store, f"{scheme}://tests/{folder}/granted/f.jpg")
    assert (found.reason, found.media["face"].key) == (None, "f.jpg")
    for elsewhere in (f"{folder}/granted-not/f.jpg", f"{folder}/f.jpg", f"{folder}/granted/../f.jpg"):
        assert screened(store, f"{scheme}://tests/{elsewhere}").reason is Reason.MEDIA_FORBIDDEN


def test_a_good_object_is_pinned_and_only_its_beginning_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture(2_000, 2_000, quality=97)
    assert len(data) > 2 * HEAD_BYTES
    info = store.put("f.jpg", data)
    asked: list[tuple[int, int]] = []
    real = store.get_range

    def get_range(key: str, start: int, end: int, *, if_match: str = "") -> bytes:
        asked.append((start, end))
        return real(key, start, end, if_match=if_match)

    monkeypatch.setattr(store, "get_range", get_range)
    found = screened(store, "f.jpg")
    assert found.media == {"face": Media("f.jpg", info.etag, len(data))}
    assert asked == [(0, HEAD_BYTES - 1)]
    assert found.notes == ()
    assert "f.jpg" not in repr(found)


@pytest.mark.parametrize(
    ("data", "check", "reason"),
    [
        (None, FACE, Reason.MEDIA_MISSING),
        (b"", FACE, Reason.BAD_MEDIA),
        (b"\xff\xd8\xff" + bytes(100), FACE, Reason.BAD_MEDIA),
        (picture(form="PNG"), FACE, Reason.BAD_MEDIA),
        (picture(299, 640), FACE, Reason.BAD_MEDIA),
        (LARGE, FACE, Reason.BAD_MEDIA),
        (picture(), Operation.ID3_TEXT_VIDEO, Reason.BAD_MEDIA),
        (CLIP, FACE, Reason.BAD_MEDIA),
    ],
)
def test_what_can_not_pass_is_turned_away_with_its_reason(
    store: Store, data: bytes | None, check: Operation, reason: Reason
) -> None:
    if data is not None:
        store.put("f.jpg", data)
    assert screened(store, "f.jpg", check).reason is reason


def test_a_clip_is_pinned(store: Store) -> None:
    store.put("v.mp4", CLIP)
    assert list(screened(store, "v.mp4", Operation.ID3_TEXT_VIDEO).media) == ["video"]


@pytest.mark.parametrize(("size", "fits"), [(2_990_000, True), (3_000_000, False)])
def test_three_pictures_that_fit_may_be_too_much_together(tmp_path: Path, size: int, fits: bool) -> None:
    store = FolderStore(tmp_path / "media", make=True)
    good = picture()
    store.put("f.jpg", good + bytes(size - len(good)))
    key = Personal("f.jpg")
    record = replace(ONE, face_key=key, card_front_key=key, card_back_key=key)
    found = Screen(store, MediaRules(), NAMES).one(record, Operation.ID3_IMAGE_FACE)
    assert (found.reason, found.detail) == ((None, "") if fits else (Reason.BAD_MEDIA, "body over 12 MB"))
    assert list(media_of(record, Operation.ID3_IMAGE_FACE)) == ["card_front", "card_back", "face"]


def test_an_object_changed_between_two_looks_is_told(tmp_path: Path) -> None:
    class Restless(FolderStore):
        def head(self, key: str) -> ObjectInfo:
            found = super().head(key)
            self.put(key, picture(500, 500)) if found.size == len(picture()) else None
            return found

    store = Restless(tmp_path / "media", make=True)
    (tmp_path / "media" / "f.jpg").write_bytes(picture())
    assert screened(store, "f.jpg").reason is Reason.MEDIA_CHANGED


def test_a_turned_picture_is_sent_and_noted_or_rejected_where_the_profile_says_so(store: Store) -> None:
    store.put("f.jpg", turned(6))
    assert screened(store, "f.jpg").notes == ("face: rotated",)
    assert screened(store, "f.jpg", rotated="reject").reason is Reason.BAD_MEDIA


def test_a_too_large_picture_is_made_to_fit_only_where_the_profile_allows_it(store: Store) -> None:
    store.put("f.jpg", LARGE)
    found = screened(store, "f.jpg", recompress=True)
    sent = found.media["face"]
    assert (
        sent.sent_sha256 == hashlib.sha256(fitted(LARGE, Screen(store, MediaRules(), NAMES).limits) or b"").hexdigest()
    )
    assert sent.size == len(LARGE) > sent.sent_size > 0
    assert found.body_bytes < found.held_bytes
    (note,) = found.notes
    assert note.startswith("face: recompressed, k1:")
    assert not any(hashlib.sha256(LARGE).hexdigest() in text for text in (note, repr(found)))
    assert sent.sent_sha256 not in note + repr(found)


Make = Callable[..., Nights]


def faced(night: Nights, *faces: tuple[str, bytes]) -> None:
    people = invented(len(faces))
    rows = [f"C{n},{name},{number},id3_text_face,{key}" for n, ((name, number), (key, _)) in enumerate(zip(people, faces, strict=True))]  # fmt: skip
    heading = "customer_no,name,id_number,required_check,face_key"
    (night.folder / "records" / "a.csv").write_text("\n".join([heading, *rows]), encoding="utf-8")
    for key, data in faces:
        (night.folder / "media" / key).write_bytes(data)


def test_a_key_template_leads_nowhere_but_below_the_prefix(nights: Make) -> None:
    night = nights(source={"layout": {"media_keys": {"face_key": "faces/{customer_no}.jpg"}}})
    people = invented(3)
    numbers = ("C1", "../../records/a", "C3")
    rows = [f"{key},{name},{number},id3_text_face" for key, (name, number) in zip(numbers, people, strict=True)]
    text = "\n".join(["customer_no,name,id_number,required_check", *rows])
    (night.folder / "records" / "a.csv").write_text(text, encoding="utf-8")
    (night.folder / "records" / "a.jpg").write_bytes(picture())
    (night.folder / "media" / "faces").mkdir()
    (night.folder / "media" / "faces" / "C1.jpg").write_bytes(picture())
    _, found = night.night()
    assert found.outcomes == {"verified": 1, "rejected": 2}
    assert found.reasons == {"media_forbidden": 1, "media_missing": 1}


def test_a_template_for_what_is_no_medium_is_refused_with_the_profile() -> None:
    with pytest.raises(ValidationError, match="face_key"):
        SourceLayout(media_keys={"fase_key": "faces/{customer_no}.jpg"})  # type: ignore[dict-item]


def test_a_recompressed_picture_is_paid_once_and_leaves_both_keyed_digests(nights: Make) -> None:
    night = nights(media={"recompress": True})
    faced(night, ("large.jpg", LARGE), ("good.jpg", picture()))
    run, found = night.night()
    assert found.outcomes == {"verified": 2}
    assert plan_of(run)["noted"] == {"recompressed": 1}
    large, good = pq.read_table(night.folder / "out-0" / "results.parquet").to_pylist()
    assert good["media_note"] == ""
    before, after = large["media_note"].removeprefix("face: recompressed, test:").split(" -> ")
    made = fitted(LARGE, Screen(night.runtime.media, MediaRules(), NAMES).limits)
    assert made is not None
    names = night.runtime.names
    assert [before, after] == [names.of("media", hashlib.sha256(data).hexdigest()) for data in (LARGE, made)]
    plain = {
        hashlib.new(kind, data).hexdigest().encode() for kind in ("md5", "sha1", "sha256") for data in (LARGE, made)
    }
    for path in night.folder.rglob("*"):
        if path.is_file() and "media" not in path.parts:
            assert not any(digest in path.read_bytes() for digest in plain), path.name
    assert night.judge().clean
    assert night.night(replan=True)[1].outcomes == {"reused": 2}


def test_a_picture_that_comes_out_otherwise_than_planned_is_not_sent(
    nights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = nights(media={"recompress": True})
    faced(night, ("large.jpg", LARGE))
    run = night.plan()
    monkeypatch.setattr("tasks.media.fit.QUALITIES", (50,))
    night.verify(run)
    found = night.close(run)
    assert (found.outcomes, found.reasons) == ({"rejected": 1}, {"media_changed": 1})
    assert night.twin.journal() == []
