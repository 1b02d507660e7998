"""Reading from a real object store: in ranges, and never other bytes than were pinned."""

from __future__ import annotations

import io
import uuid
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.ingest import InputError, pin, read_inputs
from tasks.ingest.pinned import PIECE
from tasks.settings import Secrets, Source
from tasks.storage import Store, open_store

SOURCE = Source(records="test", include=("*",))


@pytest.fixture
def store(s3: Any) -> Store:
    keys = {
        "IVS_BACKFILL_STORE_ACCESS_KEY": s3.access_key.reveal(),
        "IVS_BACKFILL_STORE_SECRET_KEY": s3.secret_key.reveal(),
    }
    return open_store(f"s3://tests/{uuid.uuid4().hex}", s3.settings(), Secrets(keys))


def keys_of(store: Store) -> list[str]:
    return [row.customer_no.reveal() for rows in read_inputs(store, pin(store, ["*"]), SOURCE) for row in rows]


def test_a_file_of_several_pieces_arrives_whole(store: Store) -> None:
    data = "客户号,姓名\n" + "".join(f"{n},测试{'试' * 20}\n" for n in range(100_000))
    store.put("a.csv", data.encode("gb18030"))
    assert len(data.encode("gb18030")) > PIECE
    assert keys_of(store) == [str(n) for n in range(100_000)]


def test_parquet_is_read_without_a_copy(store: Store) -> None:
    rng = Random(3)
    keys = [rng.randbytes(50).hex() for _ in range(60_000)]
    out = io.BytesIO()
    pq.write_table(pa.table({"customer_no": keys}), out, compression="none", use_dictionary=False)
    assert out.tell() > PIECE
    store.put("a.parquet", out.getvalue())
    assert keys_of(store) == keys


def test_an_input_that_changed_after_it_was_pinned_is_not_read(store: Store) -> None:
    store.put("a.csv", "客户号\n1\n".encode())
    pinned = pin(store, ["*.csv"])
    store.put("a.csv", "客户号\n2\n".encode())
    with pytest.raises(InputError, match=r"a\.csv: the file was changed"):
        list(read_inputs(store, pinned, SOURCE))


@pytest.fixture
def versioned(s3: Any) -> Store:
    client = s3.client()
    bucket = f"versioned-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    keys = {
        "IVS_BACKFILL_STORE_ACCESS_KEY": s3.access_key.reveal(),
        "IVS_BACKFILL_STORE_SECRET_KEY": s3.secret_key.reveal(),
    }
    return open_store(f"s3://{bucket}/x", s3.settings(), Secrets(keys))


@pytest.mark.parametrize("gone", [False, True])
def test_where_the_bucket_keeps_versions_the_pinned_bytes_are_read_all_the_same(versioned: Store, gone: bool) -> None:
    versioned.put("a.csv", "客户号\n1\n".encode())
    versioned.put("b.csv", "客户号\n2\n".encode())
    pinned = pin(versioned, ["*.csv"])
    assert all(item.version_id for item in pinned)
    versioned.delete("a.csv") if gone else versioned.put("a.csv", "客户号\n9\n".encode())
    rows = [row for batch in read_inputs(versioned, pinned, SOURCE) for row in batch]
    assert [row.customer_no.reveal() for row in rows] == ["1", "2"]  # type: ignore[union-attr]


def test_an_input_replaced_while_it_is_pinned_is_named(versioned: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    versioned.put("a.csv", "客户号\n1\n".encode())
    listed = list(versioned.list())
    versioned.put("a.csv", "客户号\n2\n".encode())
    monkeypatch.setattr(versioned, "list", lambda: iter(listed))
    with pytest.raises(InputError, match=r"a\.csv: the file was changed"):
        pin(versioned, ["*.csv"])


def test_an_input_that_was_removed_is_named(store: Store) -> None:
    store.put("a.csv", "客户号\n1\n".encode())
    pinned = pin(store, ["*.csv"])
    store.delete("a.csv")
    with pytest.raises(InputError, match=r"a\.csv: the file was changed or removed"):
        list(read_inputs(store, pinned, SOURCE))


def test_a_folders_own_object_is_no_input(store: Store, s3: Any) -> None:
    store.put("b.csv", "客户号\n1\n".encode())
    prefix = store.uri.removeprefix("s3://tests/")
    s3.client().put_object(Bucket="tests", Key=f"{prefix}/a.csv/", Body=b"")
    assert [item.key for item in pin(store, ["*.csv"])] == ["b.csv"]


def test_a_bucket_that_is_not_there_is_the_stores_error(s3: Any, store: Store) -> None:
    from tasks.storage import Misconfigured

    keys = {
        "IVS_BACKFILL_STORE_ACCESS_KEY": s3.access_key.reveal(),
        "IVS_BACKFILL_STORE_SECRET_KEY": s3.secret_key.reveal(),
    }
    with pytest.raises(Misconfigured):
        pin(open_store("s3://nobody/x", s3.settings(), Secrets(keys)), ["*"])
