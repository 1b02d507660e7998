"""A source of files written by the test."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest import read_source
from tasks.records import Record, RejectedRow
from tasks.records.layout import Layout
from tasks.settings import Source
from tasks.storage.folder import FolderStore


class _OneWay(io.BufferedReader):
    def seekable(self) -> bool:
        return False


class Distant(FolderStore):
    """A folder that is read as an object store is: its streams don't seek, and ranges are bound to an ETag."""

    def open(self, key: str, *, if_match: str = "", version_id: str = "") -> Any:
        return _OneWay(super().open(key, if_match=if_match).detach())  # type: ignore[attr-defined]


@pytest.fixture(params=[FolderStore, Distant], ids=["folder", "ranges"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FolderStore:
    return request.param(tmp_path / "source", make=True)  # type: ignore[no-any-return]


Read = Callable[..., list[Record | RejectedRow]]


@pytest.fixture
def read(store: FolderStore) -> Read:
    """Write files (text becomes UTF-8), read them as one source, return all its rows."""

    def _read(files: dict[str, bytes | str], layout: Layout | None = None, **source: Any) -> list[Record | RejectedRow]:
        for name, data in files.items():
            store.put(name, data if isinstance(data, bytes) else data.encode())
        told = Source(**{"records": "test", "include": ("*",), **source})
        return [row for batch in read_source(store, told, layout or Layout()) for row in batch]

    return _read
