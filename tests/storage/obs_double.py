"""A double of Huawei OBS: its quirks (reference 4.3 and 8.7) over TLS, in front of a real S3 server that keeps the objects.

Buckets are hosts below ``obs.cn-north-4.test``; a request is checked here, with the double's own code, and signed anew
for the server behind.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import http.server
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tasks.local.seaweed import LocalStore
from tasks.settings import Secrets, Storage

REGION = "cn-north-4"
HOST = f"obs.{REGION}.test"
SKEW = dt.timedelta(minutes=15)
PAGE = 1_000


@dataclass
class ObsDouble:
    """A running double.

    Attributes:
        behind: the server that keeps the objects.
        ahead_s: how far the double's clock is ahead of ours.
        slow_down: this many of the next requests are answered with 503.
        closed: lists are refused.
        objects: lists answer that there are so many objects, page after page, without any server behind.
        asked: what was asked: method, host, path with query.
    """

    behind: LocalStore
    port: int = 0
    ahead_s: float = 0
    slow_down: int = 0
    closed: bool = False
    objects: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def settings(self, **over: Any) -> Storage:
        told = {"endpoint_url": f"https://{HOST}:{self.port}", "region": REGION, "addressing": "virtual"}
        return Storage.model_validate(told | over)

    def secrets(self) -> Secrets:
        keys = {"ACCESS": self.behind.access_key.reveal(), "SECRET": self.behind.secret_key.reveal()}
        return Secrets({f"IVS_BACKFILL_STORE_{name}_KEY": key for name, key in keys.items()})


@contextmanager
def obs(behind: LocalStore, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[ObsDouble]:
    """Run a double; its names are found and its certificate is trusted as long as the context lasts."""
    double = ObsDouble(behind)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    patch.setenv("AWS_CA_BUNDLE", str(folder / "ca.pem"))
    found = socket.getaddrinfo
    here = lambda host, *rest, **more: found("127.0.0.1" if str(host).endswith(HOST) else host, *rest, **more)  # noqa: E731
    patch.setattr(socket, "getaddrinfo", here)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _answers(double)) as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, f"*.{HOST}").configure_cert(tls)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        double.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield double
        server.shutdown()


class RefusedError(Exception):
    """What the double does not take: status and code."""


def _answers(double: ObsDouble) -> type[http.server.BaseHTTPRequestHandler]:
    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self._body()
            double.asked.append((self.command, self.headers["Host"], self.path))
            try:
                bucket = _checked(double, self.command, self.path, self.headers, body)
                if double.objects and "list-type=2" in self.path:
                    self._reply(200, {}, _page(self.path, double.objects))
                else:
                    self._reply(*_forwarded(double.behind, bucket, self.command, self.path, self.headers, body))
            except RefusedError as refused:
                status, code = refused.args
                self._reply(status, {}, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size + 2)[:size]
            self.rfile.readline()
            return whole

        def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Answers


def _checked(double: ObsDouble, method: str, path: str, headers: Any, body: bytes) -> str:
    """Return the bucket of a request that OBS would take."""
    if double.slow_down:
        double.slow_down -= 1
        raise RefusedError(503, "SlowDown")
    host = headers["Host"].partition(":")[0]
    if host == HOST:  # path style: a probe may pass, nothing else does
        raise RefusedError(200 if method == "HEAD" else 404, "NoSuchKey")
    sent = dt.datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=double.ahead_s)
    if abs(now - sent) > SKEW:
        raise RefusedError(403, "RequestTimeTooSkewed")
    _check_digest(headers, body)
    if headers["Authorization"].rpartition("Signature=")[2] != _signature(double, method, path, headers):
        raise RefusedError(403, "SignatureDoesNotMatch")
    if double.closed and "list-type=2" in path:
        raise RefusedError(403, "AccessDenied")
    if method == "POST" and "delete" in urllib.parse.urlsplit(path).query and not headers.get("Content-MD5"):
        raise RefusedError(400, "InvalidRequest")
    return host.removesuffix(f".{HOST}")


def _check_digest(headers: Any, body: bytes) -> None:
    """Refuse a body that is not the signed one. An unsigned one is refused too: whether OBS takes it is unconfirmed."""
    digest = headers["X-Amz-Content-SHA256"]
    if not digest.startswith("STREAMING-") and digest != hashlib.sha256(body).hexdigest():
        raise RefusedError(400, "XAmzContentSHA256Mismatch")


def _signature(double: ObsDouble, method: str, path: str, headers: Any) -> str:
    """Return the signature (version 4) that a request should have, from what was received."""
    told = dict(part.strip().split("=", 1) for part in headers["Authorization"].partition(" ")[2].split(","))
    key_id, *scope = told["Credential"].split("/")
    if key_id != double.behind.access_key.reveal() or scope[1:] != [REGION, "s3", "aws4_request"]:
        raise RefusedError(403, "InvalidAccessKeyId")
    where, _, query = path.partition("?")
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    quoted = "&".join(
        f"{urllib.parse.quote(name, '-_.~')}={urllib.parse.quote(value, '-_.~')}" for name, value in pairs
    )
    names = told["SignedHeaders"].split(";")
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in names]
    asked = "\n".join([method, where, quoted, *lines, "", ";".join(names), headers["X-Amz-Content-SHA256"]])
    text = "\n".join(
        ["AWS4-HMAC-SHA256", headers["X-Amz-Date"], "/".join(scope), hashlib.sha256(asked.encode()).hexdigest()]
    )
    key = f"AWS4{double.behind.secret_key.reveal()}".encode()
    for part in (*scope, text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _forwarded(
    behind: LocalStore, bucket: str, method: str, path: str, headers: Any, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Ask the server behind, which knows buckets as paths. Conditions on a PUT are ignored; framing is a body's own."""
    kept = {"range", "content-type", "content-md5"} | (
        {"if-match", "if-none-match"} - ({"if-none-match"} if method == "PUT" else set())
    )
    passed = {name: value for name, value in headers.items() if name.lower() in kept}
    request = AWSRequest(method, f"{behind.endpoint}/{bucket}{path if path != '/' else ''}", passed, body)
    S3SigV4Auth(Credentials(behind.access_key.reveal(), behind.secret_key.reveal()), "s3", "us-east-1").add_auth(
        request
    )
    parts = urllib.parse.urlsplit(behind.endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, request.url.removeprefix(behind.endpoint), body, dict(request.headers.items()))
        answer = connection.getresponse()
        told = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() in _TOLD or name.lower().startswith("x-amz-")
        }
        return answer.status, told, answer.read()
    finally:
        connection.close()


_TOLD = {"etag", "last-modified", "content-type", "content-range", "content-length", "accept-ranges"}


def _page(path: str, objects: int) -> bytes:
    """Return one page of a list of objects that are nowhere."""
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
    first = int(query.get("continuation-token", "0"))
    last = min(first + PAGE, objects)
    held = "".join(
        f"<Contents><Key>{query['prefix']}{n:09d}.jpg</Key><LastModified>2026-11-24T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{n:032x}&quot;</ETag><Size>100000</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for n in range(first, last)
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
    rest = more if last < objects else "<IsTruncated>false</IsTruncated>"
    return f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{held}{rest}</ListBucketResult>'.encode()
