"""Object storage: the only place that knows boto3, and a plain folder with the same interface for trials."""

from tasks.storage.errors import Changed, Forbidden, Misconfigured, Missing, StorageError, Unavailable
from tasks.storage.opening import open_store
from tasks.storage.store import ObjectInfo, Store, confined

__all__ = [
    "Changed",
    "Forbidden",
    "Misconfigured",
    "Missing",
    "ObjectInfo",
    "StorageError",
    "Store",
    "Unavailable",
    "confined",
    "open_store",
]
