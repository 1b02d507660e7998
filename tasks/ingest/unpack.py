"""Gzip and Zstandard around a text form, unpacked as it is read and never further than a bound."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa

from tasks.ingest.errors import InputError

PACKED: Final = (".gz", ".zst", ".zstd")
MOST_RATIO: Final = 200
FREE: Final = 1 << 30


def bare(name: str) -> str:
    """Return a name in lower case without the ending of what it is packed with."""
    name = name.lower()
    return next((name.removesuffix(ending) for ending in PACKED if name.endswith(ending)), name)


def unpacked(file: str, stream: BinaryIO, size: int) -> BinaryIO:
    """Return what a stream unpacks to, by the name's ending; the stream itself where it is not packed.

    Reading raises:
        InputError: damaged, cut short, or more than 200 times `size` and 1 GB.
    """
    name = file.lower()
    if not name.endswith(PACKED):
        return stream
    inner: Any = gzip.GzipFile(fileobj=stream) if name.endswith(".gz") else pa.CompressedInputStream(stream, "zstd")
    return cast("BinaryIO", io.BufferedReader(_Unpacked(file, stream, inner, max(FREE, MOST_RATIO * size)), 1 << 20))


class _Unpacked(io.RawIOBase):
    """A packed stream that says which file is damaged, and when it grows beyond measure."""

    def __init__(self, file: str, outer: BinaryIO, inner: Any, left: int) -> None:
        super().__init__()
        self._file, self._outer, self._inner, self._left = file, outer, inner, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than typeshed's buffer
        try:
            data = self._inner.read(len(buffer))
        except (OSError, EOFError, zlib.error, pa.ArrowException):
            raise InputError(self._file, "damaged or cut short: it can't be unpacked") from None
        self._left -= len(data)
        if self._left < 0:
            raise InputError(self._file, f"unpacks to more than {MOST_RATIO} times its size")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._outer.close()
        super().close()
