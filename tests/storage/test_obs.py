"""The profile for Huawei OBS, against a double that has its quirks; and that the double bites whoever lacks it."""

from __future__ import annotations

import os
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tasks.ingest import InputError, pin, read_inputs
from tasks.local.seaweed import LocalStore
from tasks.settings import Source
from tasks.storage import Changed, Misconfigured, Missing, Store, Unavailable, open_store
from tests.storage.obs_double import HOST, ObsDouble, obs


@pytest.fixture
def double(s3: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObsDouble]:
    with obs(s3, tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def store(double: ObsDouble) -> Store:
    return open_store(f"s3://tests/{uuid.uuid4().hex}", double.settings(), double.secrets())


def client(double: ObsDouble, **config: Any) -> Any:
    """A boto3 client as somebody without our settings would make it."""
    keys = {
        "aws_access_key_id": double.behind.access_key.reveal(),
        "aws_secret_access_key": double.behind.secret_key.reveal(),
    }
    told = Config(signature_version="s3v4", **{"s3": {"addressing_style": "virtual"}, **config})
    endpoint = f"https://{HOST}:{double.port}"
    return boto3.session.Session().client("s3", endpoint_url=endpoint, region_name="cn-north-4", config=told, **keys)


def test_everything_a_night_does_goes_through_and_every_byte_is_the_same(store: Store, double: ObsDouble) -> None:
    data = {f"a/客户 {n}+~&.csv": os.urandom(n * 37_501) for n in range(5)}
    for key, body in data.items():
        assert store.put(key, body).size == len(body)
    assert {info.key: info.size for info in store.list()} == {key: len(body) for key, body in data.items()}
    assert [info.key for info in store.list("a/客户 3")] == ["a/客户 3+~&.csv"]
    assert list(store.folders()) == ["a"]
    for key, body in data.items():
        pinned = store.head(key).etag
        assert store.get(key, if_match=pinned) == body
        assert store.get_range(key, 10, 99, if_match=pinned) == body[10:100] if body else True
        with store.open(key, if_match=pinned) as stream:
            assert stream.read() == body
        store.delete(key)
        with pytest.raises(Missing):
            store.get(key)
    assert {host for _method, host, _path in double.asked} == {f"tests.{HOST}:{double.port}"}


def test_a_large_file_goes_up_in_parts(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.storage.s3.MULTIPART", 1_000_000)
    path = tmp_path / "large"
    path.write_bytes(os.urandom(9_000_000))
    assert store.put("large", path).size == 9_000_000
    assert store.get("large") == path.read_bytes()


def test_a_source_is_read_through_it(store: Store) -> None:
    data = "客户号,姓名\n" + "".join(f"{n},测试{'试' * 20}\n" for n in range(70_000))
    store.put("dt=20261125/a.csv", data.encode("gb18030"))
    store.put("b.csv", "客户号\n1\n".encode())
    pinned = pin(store, ["*.csv"], partition="dt=20261125")
    rows = [row for batch in read_inputs(store, pinned, Source(records="test")) for row in batch]
    assert [row.customer_no.reveal() for row in rows] == [str(n) for n in range(70_000)]  # type: ignore[union-attr]
    store.put("dt=20261125/a.csv", b"other")
    with pytest.raises(Changed):
        store.get("dt=20261125/a.csv", if_match=pinned[0].etag)


def test_a_store_that_is_busy_is_asked_again_and_given_up_on_in_the_end(
    store: Store, double: ObsDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    store.put("a", b"x")
    double.slow_down = 2
    assert store.get("a") == b"x"
    double.slow_down = 99
    with pytest.raises(Unavailable):
        store.get("a")


def test_a_clock_that_is_wrong_is_said(store: Store, double: ObsDouble) -> None:
    store.put("a", b"x")
    double.ahead_s = 14 * 60
    assert store.get("a") == b"x"
    double.ahead_s = -16 * 60
    with pytest.raises(Misconfigured, match="clock"):
        store.get("a")


def test_path_style_is_refused_and_it_is_said_what_to_set(double: ObsDouble) -> None:
    wrong = open_store("s3://tests/x", double.settings(addressing="path"), double.secrets())
    with pytest.raises(Misconfigured, match=r"storage\.addressing"):
        wrong.put("a", b"x")


def test_without_our_settings_a_body_is_stored_with_its_framing_and_ours_would_notice(
    double: ObsDouble, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(double).put_object(Bucket="tests", Key="framed", Body=b"0123456789")
    stored = client(double, request_checksum_calculation="when_required").get_object(Bucket="tests", Key="framed")
    assert stored["Body"].read() != b"0123456789"
    careless: Any = store
    monkeypatch.setattr(careless, "_client", client(double))
    with pytest.raises(Unavailable, match="did not arrive whole"):
        careless.put("a", b"0123456789")


def test_an_unsigned_body_is_refused_and_ours_is_signed(double: ObsDouble, store: Store) -> None:
    plain = client(
        double,
        request_checksum_calculation="when_required",
        s3={"addressing_style": "virtual", "payload_signing_enabled": False},
    )
    with pytest.raises(ClientError, match="XAmzContentSHA256Mismatch"):
        plain.put_object(Bucket="tests", Key="unsigned", Body=b"x", ContentMD5="nd1E0KZfp7+0HAbP3rN5xg==")
    store.put("signed", b"x")


def test_a_condition_on_a_put_is_ignored_so_nothing_of_ours_rests_on_one(double: ObsDouble) -> None:
    ours = client(double, request_checksum_calculation="when_required")
    for body in (b"one", b"two"):
        ours.put_object(Bucket="tests", Key="claimed", Body=body, IfNoneMatch="*")
    assert ours.get_object(Bucket="tests", Key="claimed")["Body"].read() == b"two"


def test_batches_are_not_deleted_without_a_digest_so_ours_go_one_by_one(double: ObsDouble, store: Store) -> None:
    ours = client(double, request_checksum_calculation="when_required")
    with pytest.raises(ClientError, match="InvalidRequest"):
        ours.delete_objects(Bucket="tests", Delete={"Objects": [{"Key": "a"}]})
    store.put("a", b"x")
    store.delete("a")
    assert not any(method == "POST" for method, _host, path in double.asked if "delete" not in path)


def test_a_bucket_that_denies_listing_is_an_input_that_can_not_be_planned(store: Store, double: ObsDouble) -> None:
    store.put("a.csv", b"x")
    double.closed = True
    with pytest.raises(InputError, match=f"{store.uri}: the store refuses to list it"):
        pin(store, ["*.csv"])
    assert store.get("a.csv") == b"x"


def test_a_wrong_key_is_refused_by_the_double_too(double: ObsDouble) -> None:
    from tasks.settings import Secrets

    wrong = Secrets(
        {"IVS_BACKFILL_STORE_ACCESS_KEY": double.behind.access_key.reveal(), "IVS_BACKFILL_STORE_SECRET_KEY": "no"}
    )
    with pytest.raises(Misconfigured):
        open_store("s3://tests/x", double.settings(), wrong).get("a")


def peak_of_listing(double: ObsDouble, store: Store, objects: int) -> int:
    double.objects = objects
    double.asked.clear()
    tracemalloc.start()
    assert sum(1 for _ in store.list()) == objects
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(double.asked) == -(-objects // 1_000)
    return peak


def test_a_list_is_read_in_pages_and_never_held(double: ObsDouble, store: Store) -> None:
    """`python -m tests.bench.bench_ingest --listing` shows a million."""
    few, many = (peak_of_listing(double, store, objects) for objects in (2_000, 6_000))
    assert many <= 1.3 * few
