"""What a store can answer instead of an object. Keys may be personal, so no message holds one.

StorageError
├── Missing         no such object
├── Changed         not the bytes that were pinned
├── Forbidden       the store, or the granted prefix, refuses it
├── Misconfigured   no such bucket, wrong key pair, wrong endpoint: a person has to act
└── Unavailable     the store does not answer, after retries
"""

from __future__ import annotations


class StorageError(Exception):
    """A store did not give or take an object.

    Args:
        bucket: the bucket or folder.
        doing: what was tried, for instance ``get``.
        what: one sentence: what is wrong and what to do.
    """

    def __init__(self, bucket: str, doing: str, what: str) -> None:
        super().__init__(f"{doing} in {bucket}: {what}")
        self.bucket = bucket
        self.doing = doing


class Missing(StorageError):  # noqa: N818  # reads as what the store answered
    """There is no such object."""


class Changed(StorageError):  # noqa: N818
    """The object is not the one that was pinned."""


class Forbidden(StorageError):  # noqa: N818
    """The store, or the granted prefix, refuses the object."""


class Misconfigured(StorageError):  # noqa: N818
    """Bucket, key pair or endpoint are wrong; nothing will work until a person acts."""


class Unavailable(StorageError):  # noqa: N818
    """The store does not answer."""
