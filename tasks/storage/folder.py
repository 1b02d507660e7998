"""A plain folder with a store's interface, for trials without an object store; its ETag is the SHA-256 of the bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tasks.storage.errors import Changed, Forbidden, Misconfigured, Missing
from tasks.storage.store import ObjectInfo, confined


class FolderStore:
    """Files below one folder.

    Raises:
        Misconfigured: there is no such folder, and `make` is not set.
    """

    def __init__(self, root: Path, *, make: bool = False) -> None:
        if make:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not root.is_dir():
            raise Misconfigured(root.name, "open", "there is no such folder")
        self._root = root.resolve()
        self.uri = self.address()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the files below the folder whose relative path starts with `prefix`."""
        for path in sorted(self._root.rglob("*")):
            key = path.relative_to(self._root).as_posix()
            if path.is_file() and key.startswith(prefix):
                yield self.head(key)

    def head(self, key: str) -> ObjectInfo:
        """Return a file's size and digest."""
        path = self._path(key)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ObjectInfo(key, path.stat().st_size, digest)

    def get(self, key: str, *, if_match: str = "") -> bytes:
        """Return a file's bytes."""
        data = self._path(key).read_bytes()
        if if_match and hashlib.sha256(data).hexdigest() != if_match:
            raise Changed(self._root.name, "get", "the file is not the one that was pinned")
        return data

    def get_range(self, key: str, start: int, end: int, *, if_match: str = "") -> bytes:
        """Return a part of a file's bytes."""
        if if_match:
            return self.get(key, if_match=if_match)[start : end + 1]
        with self._path(key).open("rb") as file:
            file.seek(start)
            return file.read(end + 1 - start)

    def open(self, key: str, *, if_match: str = "") -> BinaryIO:
        """Open a file for reading."""
        if if_match and self.head(key).etag != if_match:
            raise Changed(self._root.name, "get", "the file is not the one that was pinned")
        return self._path(key).open("rb")

    def put(self, key: str, data: bytes | Path, *, content_type: str = "application/octet-stream") -> ObjectInfo:  # noqa: ARG002
        """Write a file whole: beside its place first, then moved there."""
        path = self._root / confined(self._root.name, "", key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_name(path.name + ".part")
        beside.touch(mode=0o600)
        beside.write_bytes(data.read_bytes() if isinstance(data, Path) else data)
        beside.replace(path)
        return self.head(key)

    def delete(self, key: str) -> None:
        """Remove a file."""
        (self._root / confined(self._root.name, "", key)).unlink(missing_ok=True)

    def address(self, key: str = "") -> str:
        """Return the file's path."""
        return str(self._root / key) if key else str(self._root)

    def _path(self, key: str) -> Path:
        path = self._root / confined(self._root.name, "", key)
        if not os.path.realpath(path).startswith(str(self._root) + os.sep):
            raise Forbidden(self._root.name, "address", "a link leads out of the folder")
        if not path.is_file():
            raise Missing(self._root.name, "get", "no such file")
        return path
