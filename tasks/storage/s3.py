"""An S3 bucket through boto3, tuned once; the `obs` flavour adds what Huawei OBS needs (reference 4.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NotConnectedError

from tasks.storage.errors import Changed, Forbidden, Misconfigured, Missing, StorageError, Unavailable
from tasks.storage.store import ObjectInfo, confined

T = TypeVar("T")

_CLASSES: Final[dict[str, type[StorageError]]] = {
    "NoSuchKey": Missing,
    "NoSuchVersion": Missing,
    "404": Missing,
    "NoSuchBucket": Misconfigured,
    "PreconditionFailed": Changed,
    "412": Changed,
    "AccessDenied": Forbidden,
    "403": Forbidden,
    "InvalidObjectState": Forbidden,
    "InvalidAccessKeyId": Misconfigured,
    "SignatureDoesNotMatch": Misconfigured,
    "TooManyWrongSignature": Misconfigured,
    "RequestTimeTooSkewed": Misconfigured,
    "InArrearOrInsufficientBalance": Misconfigured,
    "FrozenUserId": Misconfigured,
    "AccountProblem": Misconfigured,
    "PermanentRedirect": Misconfigured,
    "VirtualHostDomainRequired": Misconfigured,
    "RequestTimeout": Unavailable,
    "OperationAborted": Unavailable,
}
_SENTENCES: Final[dict[type[StorageError], str]] = {
    Missing: "no such object",
    Changed: "the object is not the one that was pinned",
    Forbidden: "the store refuses it: check the key's rights on this prefix",
    Misconfigured: "bucket, key pair, clock or endpoint are wrong: check the profile's [storage] and the secrets",
    Unavailable: "the store does not answer: check that it runs and can be reached",
}
MULTIPART: Final = 64_000_000
BODY_TRIES: Final = 3


class S3Store:
    """Objects below one prefix of a bucket.

    Args:
        client: a boto3 S3 client, shared by all stores of the process.
        bucket: the bucket.
        prefix: the prefix, without a slash at its end; may be empty.
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._bucket_seen = False
        self.uri = self.address()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects below `prefix`, page by page."""
        start = self._start
        for page in self._pages(Prefix=start + prefix):
            for item in page.get("Contents", []):
                yield ObjectInfo(item["Key"][len(start) :], item["Size"], item["ETag"])

    def folders(self) -> Iterator[str]:
        """Yield the common prefixes right below, each without its slash."""
        start = self._start
        for page in self._pages(Prefix=start, Delimiter="/"):
            for item in page.get("CommonPrefixes", []):
                yield item["Prefix"][len(start) : -1]

    def head(self, key: str) -> ObjectInfo:
        """Return an object's size and ETag.

        Raises:
            Missing: no such object, in a bucket that is there.
            Misconfigured: no such bucket; a HEAD's answer tells the two apart by its status alone, so it is asked once.
        """
        full = self._full(key)
        try:
            found = self._do("head", lambda: self._client.head_object(Bucket=self._bucket, Key=full))
        except Missing:
            self._see_bucket()
            raise
        return ObjectInfo(key, found["ContentLength"], found["ETag"], found.get("VersionId", ""))

    def get(self, key: str, *, if_match: str = "", version_id: str = "") -> bytes:
        """Return an object's bytes."""
        return self._do("get", lambda: self._read(key, IfMatch=if_match, VersionId=version_id))

    def get_range(self, key: str, start: int, end: int, *, if_match: str = "", version_id: str = "") -> bytes:
        """Return a part of an object's bytes."""
        wanted = f"bytes={start}-{end}"
        return self._do("get", lambda: self._read(key, IfMatch=if_match, VersionId=version_id, Range=wanted))

    def open(self, key: str, *, if_match: str = "", version_id: str = "") -> BinaryIO:
        """Open an object for reading; what breaks the connection later is raised as boto3 has it."""
        found = self._do("get", lambda: self._get(key, IfMatch=if_match, VersionId=version_id))
        return cast("BinaryIO", found["Body"])

    def put(self, key: str, data: bytes | Path, *, content_type: str = "application/octet-stream") -> ObjectInfo:
        """Store an object, and check its size and, where the store's ETag is a plain MD5, its digest.

        A file over 64 MB goes up in parts.
        """
        full = self._full(key)
        more = {"ContentType": content_type}
        if isinstance(data, Path) and (size := data.stat().st_size) > MULTIPART:
            with data.open("rb") as file:
                self._do("put", lambda: self._client.upload_fileobj(file, self._bucket, full, ExtraArgs=more))
            return self._arrived(key, size, "")
        body = data.read_bytes() if isinstance(data, Path) else data
        try:
            self._do("put", lambda: self._client.put_object(Bucket=self._bucket, Key=full, Body=body, **more))
        except Missing:  # OBS, of a bucket in the path
            raise Misconfigured(self._bucket, "put", "not taken: check storage.addressing (OBS: virtual)") from None
        return self._arrived(key, len(body), hashlib.md5(body, usedforsecurity=False).hexdigest())

    def delete(self, key: str) -> None:
        """Remove an object, singly: OBS refuses boto3's batch form (reference 4.3)."""
        full = self._full(key)
        self._do("delete", lambda: self._client.delete_object(Bucket=self._bucket, Key=full))

    def address(self, key: str = "") -> str:
        """Return the object's ``s3://`` URI."""
        return "/".join(part for part in ("s3:/", self._bucket, self._prefix, key) if part)

    @property
    def _start(self) -> str:
        return f"{self._prefix}/" if self._prefix else ""

    def _pages(self, **asked: str) -> Iterator[dict[str, Any]]:
        """Yield a listing's pages."""
        while True:
            page = self._do("list", lambda: self._client.list_objects_v2(Bucket=self._bucket, **asked))
            yield page
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _get(self, key: str, **asked: str) -> Any:
        told = {name: value for name, value in asked.items() if value}
        return self._client.get_object(Bucket=self._bucket, Key=self._full(key), **told)

    def _read(self, key: str, **asked: str) -> bytes:
        """Read a body whole; boto3 retries up to the headers only, so one that breaks off is asked for again."""
        for _ in range(BODY_TRIES - 1):
            body = self._get(key, **asked)["Body"]
            with suppress(HTTPClientError, IncompleteReadError):
                return cast("bytes", body.read())
        return cast("bytes", self._get(key, **asked)["Body"].read())

    def _see_bucket(self) -> None:
        if self._bucket_seen:
            return
        try:
            self._do("head", lambda: self._client.head_bucket(Bucket=self._bucket))
        except Missing:
            raise Misconfigured(self._bucket, "head", "no such bucket: check the profile's prefixes") from None
        except Forbidden:
            pass  # a key pair confined to a prefix may not ask for the bucket
        self._bucket_seen = True

    def _arrived(self, key: str, size: int, md5: str) -> ObjectInfo:
        info = self.head(key)
        etag = info.etag.strip('"')
        plain = len(etag) == 32 and "-" not in etag
        if info.size != size or (md5 and plain and etag != md5):
            raise Unavailable(self._bucket, "put", "the object did not arrive whole: check the [storage] flavour")
        return info

    def _full(self, key: str) -> str:
        return confined(self._bucket, self._prefix, key)

    def _do(self, doing: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except ClientError as error:
            kind = _class_of(error)
            raise kind(self._bucket, doing, _SENTENCES[kind]) from None
        except (NotConnectedError, HTTPClientError, IncompleteReadError, OSError):
            raise Unavailable(self._bucket, doing, _SENTENCES[Unavailable]) from None
        except BotoCoreError as error:
            raise Misconfigured(self._bucket, doing, type(error).__name__) from None


def _class_of(error: ClientError) -> type[StorageError]:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _CLASSES:
        return _CLASSES[code]
    if status == 416:
        return Changed
    return Unavailable if status >= 500 or status in {408, 429} else Misconfigured
