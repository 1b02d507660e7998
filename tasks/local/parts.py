"""The parts of a demo home: the store with the sample in it, the provider, and the profile that reaches both."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tasks.local.kept import kept
from tasks.local.provider import LocalProvider, provider
from tasks.local.reading import reading_room
from tasks.local.seaweed import LocalStore, seaweed
from tasks.settings.load import CHECKOUT, PROFILES_VARIABLE
from tasks.settings.secrets import PREFIX

BUCKET: Final = "ivs-demo"
SAMPLE: Final = CHECKOUT / "data" / "sample"
PROFILES: Final = {"demo": "", "careful": '[money]\napprove_above = "1.00"'}
"""The home's profiles: the demo, and the same that waits for somebody's approval."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LocalParts:
    """What runs, and where its home is."""

    home: Path
    store: LocalStore
    provider: LocalProvider
    reports: str
    """Address at which a browser finds the reports."""


@contextmanager
def local_parts(home: Path, say: Say, *, config: Path) -> Iterator[LocalParts]:
    """Start the parts of a demo, put the sample into the store, and set this process up to reach them.

    The home is kept: a second start finds the same store, provider, ledger and keys.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as running:
        say("store")
        store = running.enter_context(seaweed(home / "store", bucket=BUCKET))
        say("provider")
        twin = running.enter_context(provider(home / "provider", config=config))
        say("sample")
        upload(store, SAMPLE)
        reports = running.enter_context(reading_room(home, store, bucket=BUCKET, prefix="results"))
        parts = LocalParts(home, store, twin, reports)
        for name, over in PROFILES.items():
            _write_profile(parts, name, over)
        _set_secrets(parts)
        yield parts


def upload(store: LocalStore, folder: Path) -> None:
    """Put a folder's files into the bucket, those that are not there yet or differ."""
    client = store.client()
    there = {
        item["Key"]: item["ETag"].strip('"')
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        for item in page.get("Contents", [])
    }
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    missing = [path for path in files if there.get(path.relative_to(folder).as_posix()) != _md5(path)]

    def put(path: Path) -> None:
        client.put_object(Bucket=BUCKET, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, missing))


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _write_profile(parts: LocalParts, name: str, over: str) -> None:
    folder = parts.home / "profiles"
    folder.mkdir(exist_ok=True, mode=0o700)
    lines = [
        'extends = "demo"',
        f'name = "{name}"',
        f'home = "{parts.home}"',
        "[account]",
        f'endpoint = "{parts.provider.ivs}"',
        f'iam_endpoint = "{parts.provider.iam}"',
        f'project_id = "{parts.provider.project_id}"',
        "[storage]",
        f'endpoint_url = "{parts.store.endpoint}"',
        "[output]",
        f'links = "{parts.reports}"',
        over,
    ]
    (folder / f"{name}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.environ[PROFILES_VARIABLE] = str(folder)


def _set_secrets(parts: LocalParts) -> None:
    path = parts.home / "pseudonym.key"
    kept(path, lambda: f"demo:{base64.b64encode(secrets.token_bytes(32)).decode()}")
    os.environ |= {
        f"{PREFIX}PSEUDONYM_KEYS_FILE": str(path),
        f"{PREFIX}ACCESS_KEY": parts.provider.access_key.reveal(),
        f"{PREFIX}SECRET_KEY": parts.provider.secret_key.reveal(),
        f"{PREFIX}STORE_ACCESS_KEY": parts.store.access_key.reveal(),
        f"{PREFIX}STORE_SECRET_KEY": parts.store.secret_key.reveal(),
    }
