"""A real S3 server for one machine: SeaweedFS from its wheel, on loopback ports, with a key pair of its own."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

from tasks.local import process
from tasks.local.kept import alone_in, kept
from tasks.privacy import Secret
from tasks.settings import Storage
from tasks.storage import StorageError
from tasks.storage.opening import s3_client

_SOCKETS: Final = Path("/tmp")  # noqa: S108  # where the server puts them whatever TMPDIR says
READY_S: Final = 60.0
TRIES: Final = 5
_SWITCHES: Final = (
    "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-disableHttp=true",
    "-master.telemetry=false", "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false",
    "-volume.max=1000", "-master.volumeSizeLimitMB=64",
    "-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock",
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
        StoreNotStartedError: the wheel is not installed, the home is in use, or the server does not come up.
    """
    binary, home = _binary(), home.resolve()
    with ExitStack() as held:
        try:
            held.enter_context(alone_in(home))
        except BlockingIOError:
            raise StoreNotStartedError(
                f"the store in {home} is in use by another process: wait for it to end, or choose another home"
            ) from None
        held.callback(_clear_sockets, home)
        child, store = _start(binary, home, _keys(home), bucket)
        held.callback(process.stop, child)
        yield store


def _binary() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise StoreNotStartedError("the embedded store is not installed: install the extra `demo`")
    return found


def _keys(home: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(kept(home / "keys.json", _new_keys))
    return found


def _new_keys() -> str:
    return json.dumps({"accessKey": f"LOCAL{secrets.token_hex(6).upper()}", "secretKey": secrets.token_urlsafe(30)})


def _start(binary: str, home: Path, keys: dict[str, str], bucket: str) -> tuple[subprocess.Popen[bytes], LocalStore]:
    """Start the server until it answers; where another process took one of its ports meanwhile, on other ports."""
    for _ in range(TRIES):
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        child = _launch(binary, home, keys, ports)
        store = LocalStore(f"http://127.0.0.1:{ports['s3.port']}", Secret(keys["accessKey"]), Secret(keys["secretKey"]))
        try:
            if _answers(store, child, bucket):
                return child, store
            gone = child.poll() is not None
        except BaseException:
            process.stop(child)
            raise
        process.stop(child)
        if not gone:
            break
    raise StoreNotStartedError("the embedded store does not start: see store.log in the demo's home")


def _launch(binary: str, home: Path, keys: dict[str, str], ports: dict[str, int]) -> subprocess.Popen[bytes]:
    config, data, run = home / "s3.json", home / "data", home / "run"
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [{"name": "local", "credentials": [keys], "actions": actions}]}))
    _clear_sockets(home)
    shutil.rmtree(run, ignore_errors=True)
    for folder in (data, run):
        folder.mkdir(exist_ok=True, mode=0o700)
    (home / "ports.json").write_text(json.dumps(list(ports.values())))
    command = [
        binary, "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        *(f"-{name}={port}" for name, port in ports.items()), *_SWITCHES, f"-s3.config={config}",
    ]  # fmt: skip
    environment = {**os.environ, "GOMEMLIMIT": "512MiB", "TMPDIR": str(run), "HOME": str(home)}
    return process.start(command, log=home / "store.log", environment=environment, folder=run)


def _clear_sockets(home: Path) -> None:
    """Remove the sockets that the last server of this home left in the temporary folder."""
    with suppress(FileNotFoundError, json.JSONDecodeError):
        for port in json.loads((home / "ports.json").read_text()):
            for path in _SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                if _is_dead(path):
                    path.unlink(missing_ok=True)


def _is_dead(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as tried:
        return tried.connect_ex(str(path)) == errno.ECONNREFUSED


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def _answers(store: LocalStore, child: subprocess.Popen[bytes], bucket: str) -> bool:
    """Wait until a bucket can be made and an object put: the store's own sign that it is ready."""
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends and child.poll() is None:
        if _hears(store) and _can_put(store, bucket):
            return child.poll() is None
        time.sleep(0.1)
    return False


def _hears(store: LocalStore) -> bool:
    """Return whether HTTP is spoken at its port: a stranger who took the port may listen and say nothing for ever."""
    try:
        urlopen(store.endpoint, timeout=1).close()  # noqa: S310  # our own address
    except HTTPError:
        return True
    except (OSError, HTTPException):
        return False
    return True


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
