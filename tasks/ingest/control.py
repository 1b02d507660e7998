"""The control file: what the sender says the night's inputs are. Until it is there and agrees, nothing is planned.

It is empty, and then only says that everything has been sent; or JSON, and then its files are the night's inputs, with
as much about each as the sender knows, names being relative to the control file's own folder:

    {"files": [{"name": "branch_01.csv", "rows": 1200, "bytes": 81234, "sha256": "..."}]}
"""

from __future__ import annotations

import datetime as dt
import hashlib
import posixpath
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.ingest.errors import IncompleteError, InputError
from tasks.ingest.pinned import PinnedInput, opened
from tasks.storage import Forbidden, Missing, ObjectInfo, Store

MOST: Final = 16_000_000
_PIECE: Final = 1 << 20


class Declared(BaseModel):
    """One input, as the sender tells of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1)
    rows: int | None = Field(default=None, ge=0)
    bytes: int | None = Field(default=None, ge=0)
    sha256: str = ""
    md5: str = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    files: tuple[Declared, ...] = Field(min_length=1)


def control_key(pattern: str, on: dt.date) -> str:
    """Return the control file's key for a business date."""
    return on.strftime(pattern)


def declared_inputs(store: Store, key: str) -> list[PinnedInput]:
    """Return the inputs that a control file names, pinned; none where it is empty.

    Raises:
        IncompleteError: it has not come, can't be read, or what it names is not there, or not so.
    """
    data = _read(store, key)
    if not data.strip():
        return []
    try:
        told = _File.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise IncompleteError(key, f"not a control file: {where}: {first['msg']}", may_come=True) from None
    folder = posixpath.dirname(key)
    return [_pinned(store, posixpath.join(folder, item.name), item) for item in told.files]


def _read(store: Store, key: str) -> bytes:
    info = _head(store, key, "the control file has not come")
    if info.size > MOST:
        raise InputError(key, f"a control file of more than {MOST} bytes")
    try:
        return store.get(key)
    except Missing:
        raise IncompleteError(key, "the control file has not come", may_come=True) from None


def _pinned(store: Store, key: str, told: Declared) -> PinnedInput:
    info = _head(store, key, "the control file names it, but it is not there")
    if not info.size:
        raise IncompleteError(key, "the file is empty", may_come=True)
    if told.bytes not in {None, info.size}:
        raise IncompleteError(key, f"{info.size} bytes, the control file says {told.bytes}", may_come=True)
    found = PinnedInput(key, info.etag, info.size, info.version_id, told.rows)
    for name in ("sha256", "md5"):
        said = getattr(told, name)
        if said and _digest(store, found, name) != said.lower():
            raise IncompleteError(key, f"its {name} is not the one in the control file")
    return found


def _head(store: Store, key: str, missing: str) -> ObjectInfo:
    try:
        return store.head(key)
    except Missing:
        raise IncompleteError(key, missing, may_come=True) from None
    except Forbidden:
        raise InputError(key, "outside the source, or the store refuses it: check names and rights") from None


def _digest(store: Store, item: PinnedInput, name: str) -> str:
    digest = hashlib.new(name, usedforsecurity=False)
    with opened(store, item) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
