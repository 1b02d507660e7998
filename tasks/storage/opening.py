"""From a URI to a store: ``s3://bucket/prefix``, or a folder's path."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.config import Config

from tasks.privacy import Secret
from tasks.settings import Secrets, Storage
from tasks.storage.errors import Misconfigured
from tasks.storage.folder import FolderStore
from tasks.storage.s3 import S3Store
from tasks.storage.store import Store

for _name in ("boto3", "botocore", "urllib3", "s3transfer"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def open_store(uri: str, settings: Storage, secrets: Secrets, *, make: bool = False) -> Store:
    """Open the store below a URI.

    Raises:
        Misconfigured: the URI is not one of the forms above.
        MissingSecretError: an ``s3://`` URI and no key pair.
    """
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        bucket, _, prefix = uri[3:].removeprefix("//").partition("/")
        if not bucket:
            raise Misconfigured("s3", "open", f"{uri!r} names no bucket")
        client = s3_client(settings, secrets.get("STORE_ACCESS_KEY"), secrets.get("STORE_SECRET_KEY"))
        return S3Store(client, bucket, prefix.strip("/"))
    if parts.scheme == "":
        return FolderStore(Path(uri).expanduser(), make=make)
    if parts.scheme == "file" and not parts.netloc:
        return FolderStore(Path(unquote(parts.path)), make=make)
    raise Misconfigured(parts.scheme, "open", "a store is s3://bucket/prefix or a folder")


@lru_cache(maxsize=8)
def s3_client(settings: Storage, access_key: Secret[str], secret_key: Secret[str]) -> Any:
    """Return the one tuned client for these settings (reference 4.3: signature, addressing and checksums)."""
    s3: dict[str, Any] = {"addressing_style": settings.addressing}
    if settings.flavour == "obs":
        s3["payload_signing_enabled"] = True
    config = Config(
        signature_version="s3v4",
        s3=s3,
        max_pool_connections=settings.threads * 2,
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.endpoint_url or None,
        region_name=settings.region,
        aws_access_key_id=access_key.reveal(),
        aws_secret_access_key=secret_key.reveal(),
        config=config,
    )
