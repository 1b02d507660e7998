"""A plain folder with a store's interface, for trials without an object store; its ETag is the SHA-256 of the bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from tasks.storage.errors import Changed, Forbidden, Misconfigured, Missing, Unavailable
from tasks.storage.store import ObjectInfo, confined

_NO_SUCH: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_CHANGED: Final = "the file is not the one that was pinned"


class FolderStore:
    """Files below one folder.

    Raises:
        Misconfigured: there is no such folder, and `make` is not set.
    """

    def __init__(self, root: Path, *, make: bool = False) -> None:
        self._name = root.name
        if make:
            with self._told("open"):
                root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not root.is_dir():
            raise Misconfigured(root.name, "open", "there is no such folder")
        self._root = root.resolve()
        self.uri = self.address()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the files below the folder whose relative path starts with `prefix`, links that lead out left aside."""
        for path in sorted(self._root.rglob("*")):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(prefix) and path.is_file() and self._inside(path) and not _unfinished(path):
                with suppress(Missing):  # somebody has removed it meanwhile
                    yield self._info(key, path)

    def folders(self) -> Iterator[str]:
        """Yield the names of the folders right below."""
        with self._told("list"):
            found = sorted(path.name for path in self._root.iterdir() if path.is_dir())
        yield from found

    def head(self, key: str) -> ObjectInfo:
        """Return a file's size and digest."""
        return self._info(key, self._file(key))

    def get(self, key: str, *, if_match: str = "", version_id: str = "") -> bytes:  # noqa: ARG002  # a folder keeps no versions
        """Return a file's bytes."""
        path = self._file(key)
        with self._told("get"):
            data = path.read_bytes()
        if if_match and hashlib.sha256(data).hexdigest() != if_match:
            raise Changed(self._name, "get", _CHANGED)
        return data

    def get_range(
        self,
        key: str,
        start: int,
        end: int,
        *,
        if_match: str = "",
        version_id: str = "",  # noqa: ARG002
    ) -> bytes:
        """Return a part of a file's bytes."""
        if if_match:
            return self.get(key, if_match=if_match)[start : end + 1]
        with self.open(key) as file:
            file.seek(start)
            return file.read(end + 1 - start)

    def open(self, key: str, *, if_match: str = "", version_id: str = "") -> BinaryIO:  # noqa: ARG002  # a folder keeps no versions
        """Open a file for reading."""
        if if_match and self.head(key).etag != if_match:
            raise Changed(self._name, "get", _CHANGED)
        path = self._file(key)
        with self._told("get"):
            return path.open("rb")

    def put(self, key: str, data: bytes | Path, *, content_type: str = "application/octet-stream") -> ObjectInfo:  # noqa: ARG002
        """Write a file whole: beside its place first, then moved there."""
        path = self._place(key)
        beside = path.with_name(f".{secrets.token_hex(8)}.part")
        with self._told("put"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                beside.touch(mode=0o600)
                beside.write_bytes(data.read_bytes() if isinstance(data, Path) else data)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        return self.head(key)

    def delete(self, key: str) -> None:
        """Remove a file."""
        path = self._place(key)
        with self._told("delete"):
            path.unlink(missing_ok=True)

    def address(self, key: str = "") -> str:
        """Return the file's path."""
        return str(self._root / key) if key else str(self._root)

    def _info(self, key: str, path: Path) -> ObjectInfo:
        with self._told("head"), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return ObjectInfo(key, os.fstat(file.fileno()).st_size, digest)

    def _file(self, key: str) -> Path:
        path = self._place(key)
        with self._told("get"):
            if not path.is_file():
                raise Missing(self._name, "get", "no such file")
        return path

    def _place(self, key: str) -> Path:
        path = self._root / confined(self._name, "", key)
        if not self._inside(path):
            raise Forbidden(self._name, "address", "a link leads out of the folder")
        return path

    def _inside(self, path: Path) -> bool:
        return os.path.realpath(path).startswith(str(self._root) + os.sep)

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turn what the file system says into a store's words, without the path that it would print."""
        try:
            yield
        except PermissionError:
            raise Forbidden(self._name, doing, "the file system refuses it: check owner and rights") from None
        except OSError as error:
            kind = Missing if error.errno in _NO_SUCH else Unavailable
            raise kind(self._name, doing, error.strerror or type(error).__name__) from None


def _unfinished(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")
