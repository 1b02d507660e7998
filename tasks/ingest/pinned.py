"""Inputs found below a prefix, pinned by ETag, and opened so that nothing but the pinned bytes is ever read."""

from __future__ import annotations

import fnmatch
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, cast

from tasks.ingest.errors import InputError, ReplacedError
from tasks.records.inputs import Inputs
from tasks.storage import Changed, Forbidden, Missing, Store

PIECE: Final = 4 << 20
GONE: Final = "the file was changed or removed after it was listed: run again"


@dataclass(frozen=True, slots=True)
class PinnedInput:
    """One input as found: nothing but these bytes will be read; `rows` where the sender says how many it holds."""

    key: str
    etag: str
    size: int
    version_id: str = ""
    rows: int | None = None


def pin(store: Store, include: Sequence[str], *, partition: str = "", told: Inputs | None = None) -> list[PinnedInput]:
    """Return the inputs whose names fit one of the patterns, by key; with `partition`, only those in such a folder.

    Each is pinned by its ETag, and by its version where the bucket keeps versions. Only those are held: the other
    objects below the prefix, however many, go by as they are listed, and `told` counts them.

    Raises:
        InputError: there is none, or the store refuses to list.
        StorageError: the store can't be listed.
    """
    found, others = [], told or Inputs()
    try:
        for info in store.list():
            if not _fits(info.key, include):
                others.pass_by(info.key)
            elif not partition or partition in info.key.split("/")[:-1]:
                found.append(PinnedInput(info.key, info.etag, info.size, info.version_id))
    except Forbidden:
        raise InputError(store.uri, "the store refuses to list it: check the key pair's rights", whole=True) from None
    if not found:
        where = f"{store.uri}/**/{partition}" if partition else store.uri
        raise InputError(
            where, f"no input fits {', '.join(include)}: check source.records and source.include", whole=True
        )
    return _of_versions(store, sorted(found, key=lambda item: item.key))


def _of_versions(store: Store, found: list[PinnedInput]) -> list[PinnedInput]:
    """Return inputs with their version as well, where the bucket keeps versions: a list doesn't tell it."""
    first = _of_version(store, found[0])
    return [_of_version(store, item) for item in found] if first.version_id else found


def _of_version(store: Store, item: PinnedInput) -> PinnedInput:
    with _Told(item.key):
        info = store.head(item.key)
    if info.etag != item.etag:
        raise ReplacedError(item.key, GONE)
    return replace(item, version_id=info.version_id)


def opened(store: Store, item: PinnedInput) -> BinaryIO:
    """Open an input, seekable; the caller closes it.

    An object is read in ranges of 4 MB, each bound to the ETag, so that no connection waits while rows are worked on.

    Raises:
        InputError: changed or removed since it was pinned; also later, while reading.
    """
    with _Told(item.key):
        stream = store.open(item.key, if_match=item.etag, version_id=item.version_id)
    if stream.seekable():
        return stream
    stream.close()
    return cast("BinaryIO", io.BufferedReader(_Ranges(store, item)))


def _fits(key: str, include: Sequence[str]) -> bool:
    name = key.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in include)


class _Told:
    """Turns what a store says of a pinned object into an `InputError`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, Changed | Missing):
            kind = ReplacedError if isinstance(error, Changed) else InputError
            raise kind(self._key, GONE) from None
        if isinstance(error, Forbidden):
            raise InputError(self._key, "the store refuses to give it: check the key pair's rights") from None


class _Ranges(io.RawIOBase):
    """An object as a seekable raw file, of which one piece is held."""

    def __init__(self, store: Store, item: PinnedInput) -> None:
        super().__init__()
        self._store, self._item = store, item
        self._at = self._piece_at = 0
        self._piece = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._item.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than typeshed's buffer
        if self._at >= self._item.size:
            return 0
        if not self._piece_at <= self._at < self._piece_at + len(self._piece):
            self._fetch()
        start = self._at - self._piece_at
        data = self._piece[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _fetch(self) -> None:
        end = min(self._at + PIECE, self._item.size) - 1
        with _Told(self._item.key):
            self._piece = self._store.get_range(
                self._item.key, self._at, end, if_match=self._item.etag, version_id=self._item.version_id
            )
        self._piece_at = self._at
