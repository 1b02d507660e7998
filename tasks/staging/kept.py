"""What an ended run keeps staged: the records that may still be asked again, and nobody else.

Its chunks hold names and numbers of everybody, so they are deleted; what is open is written anew, sealed as they were,
and listed with its digests in the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import orjson

from tasks.staging.parts import Manifest, Part, Staging
from tasks.staging.tables import CHUNKS


def kept_parts(kept: str, manifest: Manifest) -> tuple[Part, ...]:
    """Return a run's chunks as they are staged now: the plan's own, or what the ledger says was kept of them."""
    if not kept:
        return manifest.chunks
    return tuple(Part(**one) for one in orjson.loads(kept))


def keep(staging: Staging, parts: Collection[Part], refs: Mapping[int, Collection[str]], mark: str) -> tuple[Part, ...]:
    """Write the open records of each chunk as a part of their own, named with `mark`, and return these parts."""
    found = []
    for part in parts:
        rows = [row for row in staging.read(part).to_pylist() if row["record_ref"] in refs.get(part.chunk, ())]
        if rows:
            name = f"open-{part.chunk:06d}-{mark}.sealed"
            digest, _size = staging.write(name, rows, CHUNKS)
            found.append(replace(part, name=name, rows=len(rows), sha256=digest))
    return tuple(found)


def listed(parts: Collection[Part]) -> str:
    """Return parts as the ledger lists them."""
    return orjson.dumps(list(parts)).decode()
