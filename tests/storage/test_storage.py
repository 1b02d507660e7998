"""Both stores keep the same promises; the S3 one against a real server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.local.seaweed import LocalStore
from tasks.privacy import Secret
from tasks.settings import Secrets, Storage
from tasks.storage import (
    Changed,
    Forbidden,
    Misconfigured,
    Missing,
    StorageError,
    Store,
    Unavailable,
    confined,
    open_store,
)


def keys(s3: LocalStore, **over: str) -> Secrets:
    held = {"STORE_ACCESS_KEY": s3.access_key.reveal(), "STORE_SECRET_KEY": s3.secret_key.reveal()} | over
    return Secrets({f"IVS_BACKFILL_{name}": value for name, value in held.items()})


@pytest.fixture(params=["s3", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield open_store(str(tmp_path / "store"), Storage(), Secrets({}), make=True)
    else:
        s3 = request.getfixturevalue("s3")
        yield open_store(f"s3://tests/{uuid.uuid4().hex}", s3.settings(), keys(s3))


def test_what_is_put_can_be_listed_read_in_parts_and_removed(store: Store) -> None:
    info = store.put("a/客户.csv", b"0123456789")
    store.put("b.csv", b"")
    assert (info.size, store.get("a/客户.csv", if_match=info.etag)) == (10, b"0123456789")
    assert sorted((one.key, one.size) for one in store.list()) == [("a/客户.csv", 10), ("b.csv", 0)]
    assert [one.key for one in store.list("a/")] == ["a/客户.csv"]
    assert list(store.folders()) == ["a"]
    assert store.get_range("a/客户.csv", 2, 4, if_match=info.etag) == b"234"
    with store.open("a/客户.csv", if_match=info.etag) as stream:
        assert stream.read() == b"0123456789"
    store.delete("b.csv")
    store.delete("b.csv")
    with pytest.raises(Missing):
        store.get("b.csv")


def test_a_changed_object_is_not_the_one_that_was_pinned(store: Store) -> None:
    old = store.put("a", b"one")
    store.put("a", b"two")
    for read in (store.get, store.open):
        with pytest.raises(Changed):
            read("a", if_match=old.etag)


def test_a_file_is_stored_whole(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(300_000))
    assert store.put("big", path).size == 300_000
    assert store.get("big") == path.read_bytes()


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/x", "", "a//b", "a/./b", "a\x00b", "a\\b", "\ud800", "x" * 1_100]
)
def test_a_key_can_not_leave_its_prefix(store: Store, key: str) -> None:
    for use in (store.get, store.head, store.delete):
        with pytest.raises(Forbidden) as refused:
            use(key)
        assert not key or key not in str(refused.value)


def test_a_link_can_not_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(Forbidden):
        open_store(str(tmp_path / "in"), Storage(), Secrets({})).get("link")


def test_keys_are_hidden_in_what_is_listed(store: Store) -> None:
    store.put("440524188001010014.jpg", b"x")
    assert "440524" not in repr(next(iter(store.list())))
    with pytest.raises(Missing) as missing:
        store.get("11010519491231002X.jpg")
    assert "110105" not in str(missing.value)


@pytest.mark.parametrize(
    ("uri", "over", "kind"),
    [
        ("s3://no-such-bucket/x", {}, Misconfigured),
        ("s3://tests/x", {"STORE_SECRET_KEY": "wrong"}, Misconfigured),
        ("s3://tests/x", {"STORE_ACCESS_KEY": "nobody"}, Misconfigured),
    ],
)
def test_what_a_person_must_mend_is_said(
    s3: LocalStore, uri: str, over: dict[str, str], kind: type[StorageError]
) -> None:
    with pytest.raises((kind, Forbidden)) as told:
        list(open_store(uri, s3.settings(), keys(s3, **over)).list())
    assert "check" in str(told.value)


def test_a_store_that_is_not_there_is_unavailable(s3: LocalStore) -> None:
    gone = Storage(endpoint_url="http://127.0.0.1:9", addressing="path", flavour="s3")
    with pytest.raises(Unavailable, match="does not answer"):
        list(open_store("s3://tests/x", gone, keys(s3)).list())


@pytest.mark.parametrize("uri", ["ftp://x/y", "s3:///x", "/no/such/folder"])
def test_addresses_that_are_no_store_are_refused(uri: str) -> None:
    with pytest.raises((Misconfigured, Exception), match="open in"):
        open_store(
            uri, Storage(), Secrets({"IVS_BACKFILL_STORE_ACCESS_KEY": "a", "IVS_BACKFILL_STORE_SECRET_KEY": "b"})
        )


def test_listing_goes_on_page_after_page(s3: LocalStore) -> None:
    store = open_store(f"s3://tests/{uuid.uuid4().hex}", s3.settings(), keys(s3))
    client: Any = s3.client()
    prefix = store.uri.removeprefix("s3://tests/")
    for place in range(1_050):
        client.put_object(Bucket="tests", Key=f"{prefix}/{place:05d}/x", Body=b"x")
    assert len({one.key for one in store.list()}) == 1_050
    assert len(set(store.folders())) == 1_050


def test_confinement_is_a_pure_rule() -> None:
    assert confined("b", "p/q", "a/b.jpg") == "p/q/a/b.jpg"
    assert confined("b", "", "a") == "a"


def test_the_store_keeps_its_keys_to_itself(s3: LocalStore) -> None:
    assert s3.secret_key.reveal() not in repr(s3)
    assert isinstance(s3.access_key, Secret)
