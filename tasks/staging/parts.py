"""What a plan leaves in the store between planning and the end of its run: rows and chunks, sealed.

Each part is an Arrow stream, packed, sealed with AES-GCM under a key derived from the pseudonym key, and bound to its
own name, so that parts can't be read, swapped or changed in the store. A manifest lists all parts with their digests;
its own digest stands in the ledger.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12


class StagingError(Exception):
    """A staged part is missing, or is not what the plan wrote."""


class Objects(Protocol):
    """The store, as far as staging needs it; keys are relative to the staging prefix."""

    def put(self, key: str, data: bytes) -> Any:
        """Store an object."""

    def get(self, key: str) -> bytes:
        """Return an object's bytes."""

    def delete(self, key: str) -> None:
        """Remove an object."""


@dataclass(frozen=True, slots=True)
class Part:
    """One staged object: its name, rows and digest; chunks also tell what they hold."""

    name: str
    rows: int
    sha256: str
    chunk: int = -1
    operation: str = ""
    canary: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """All parts of a plan."""

    rows: tuple[Part, ...]
    chunks: tuple[Part, ...]


@dataclass(slots=True)
class Staging:
    """The staged parts of one run.

    Args:
        objects: the store below the profile's staging prefix.
        folder: the run's own folder there.
        keys: 32 bytes each; the first seals, all are tried to open what was sealed before a change of keys.
    """

    objects: Objects
    folder: str
    keys: Sequence[bytes] = field(repr=False)

    def write(self, name: str, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> tuple[str, int]:
        """Seal and store rows; return the digest of what was stored, and its size in bytes."""
        sealed = self._seal(name, _packed(pa.Table.from_pylist(list(rows), schema=schema)))
        self.objects.put(f"{self.folder}/{name}", sealed)
        return hashlib.sha256(sealed).hexdigest(), len(sealed)

    def read(self, part: Part) -> pa.Table:
        """Return a part's rows.

        Raises:
            StagingError: it was changed, or sealed under another key.
        """
        sealed = self.objects.get(f"{self.folder}/{part.name}")
        if hashlib.sha256(sealed).hexdigest() != part.sha256:
            raise StagingError(f"staged part {part.name} of {self.folder} is not what the plan wrote: plan again")
        return _unpacked(self._open(part.name, sealed))

    def write_manifest(self, manifest: Manifest) -> str:
        """Store the list of parts, and return its digest."""
        data = orjson.dumps({"rows": manifest.rows, "chunks": manifest.chunks})
        self.objects.put(f"{self.folder}/manifest.json", data)
        return hashlib.sha256(data).hexdigest()

    def manifest(self, sha256: str) -> Manifest:
        """Return the list of parts.

        Raises:
            StagingError: it is not the one the ledger knows.
        """
        data = self.objects.get(f"{self.folder}/manifest.json")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StagingError(f"the staged manifest of {self.folder} is not the plan's: plan again")
        found = orjson.loads(data)
        return Manifest(tuple(Part(**p) for p in found["rows"]), tuple(Part(**p) for p in found["chunks"]))

    def remove(self, manifest: Manifest) -> None:
        """Delete every staged part."""
        for name in self._names(manifest):
            self.objects.delete(f"{self.folder}/{name}")

    def remove_parts(self, parts: Collection[Part]) -> None:
        """Delete some parts: those that hold names and numbers; from the masked rows a run is closed again."""
        for part in parts:
            self.objects.delete(f"{self.folder}/{part.name}")

    def _names(self, manifest: Manifest) -> Iterator[str]:
        yield from (part.name for part in (*manifest.chunks, *manifest.rows))
        yield "manifest.json"

    def _seal(self, name: str, data: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.keys[0]).encrypt(nonce, data, self._name(name))

    def _open(self, name: str, sealed: bytes) -> bytes:
        for key in self.keys:
            with suppress(InvalidTag):
                return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._name(name))
        raise StagingError(f"staged part {name} of {self.folder} was sealed under another key")

    def _name(self, name: str) -> bytes:
        return f"{self.folder}/{name}".encode()


def _packed(table: pa.Table) -> bytes:
    """Return a table as bytes: for parts of a hundred rows a tenth of what Parquet costs to write and to read."""
    bare, packed = pa.BufferOutputStream(), pa.BufferOutputStream()
    with pa.ipc.new_stream(bare, table.schema) as stream:
        stream.write_table(table)
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(bare.getvalue())
    data: bytes = packed.getvalue().to_pybytes()
    return data


def _unpacked(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(pa.CompressedInputStream(pa.BufferReader(data), "zstd")).read_all()
