"""What every store offers, below one prefix that its keys can't leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from tasks.storage.errors import Forbidden


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as listed: its key below the store's prefix, its size in bytes, and what pins it."""

    key: str = field(repr=False)
    size: int
    etag: str
    version_id: str = ""


class Store(Protocol):
    """Objects below one prefix. Every method raises `StorageError`.

    What is read may be pinned: by its ETag (`if_match`), so that other bytes raise `Changed`; and where the bucket
    keeps versions by its version as well, so that the pinned bytes are read even when the object has been replaced.
    """

    uri: str

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects below `prefix`, in the store's own order."""

    def folders(self) -> Iterator[str]:
        """Yield the first parts of keys that have more than one, each once; a store may name emptied ones still."""

    def head(self, key: str) -> ObjectInfo:
        """Return an object's size and ETag."""

    def get(self, key: str, *, if_match: str = "", version_id: str = "") -> bytes:
        """Return an object's bytes."""

    def get_range(self, key: str, start: int, end: int, *, if_match: str = "", version_id: str = "") -> bytes:
        """Return the bytes from `start` to `end`, both included, or as many as there are."""

    def open(self, key: str, *, if_match: str = "", version_id: str = "") -> BinaryIO:
        """Open an object for reading from its start; the caller closes it."""

    def put(self, key: str, data: bytes | Path, *, content_type: str = "application/octet-stream") -> ObjectInfo:
        """Store an object, and check that it arrived whole."""

    def delete(self, key: str) -> None:
        """Remove an object; it is no error where there is none."""

    def address(self, key: str = "") -> str:
        """Return a URI for people."""


def confined(bucket: str, prefix: str, key: str) -> str:
    """Return the full key of `key` below `prefix`.

    Raises:
        Forbidden: the key would leave the prefix, or is not a plain relative key.
    """
    parts = key.split("/")
    plain = key and "\\" not in key and not any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for letter in key)
    if not plain or any(part in {"", ".", ".."} for part in parts):
        raise Forbidden(bucket, "address", "a key is not a plain path below the prefix it was granted")
    full = f"{prefix}/{key}" if prefix else key
    if len(full.encode("utf-8")) > 1024:
        raise Forbidden(bucket, "address", "a key is longer than 1,024 bytes")
    return full
