"""The demo's reports for a browser, which opens no `s3://` address: one page each, on loopback.

Reports only, which hold counts and money and no row; all else in the store stays behind its keys.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from tasks.local.kept import kept
from tasks.local.seaweed import LocalStore

_REPORT: Final = re.compile(r"/([a-z0-9][a-z0-9_-]{0,39}-\d{8}-\d{1,4}-[0-9a-f]{4}/r\d{1,6}/report\.html)")
_ALLOWED: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@contextmanager
def reading_room(home: Path, store: LocalStore, *, bucket: str, prefix: str) -> Iterator[str]:
    """Serve `prefix/RUN/rN/report.html` of a bucket as `/RUN/rN/report.html`; yield the address.

    The port is kept with the home, so that a link of yesterday works today.
    """
    client = store.client()

    class Reader(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = _REPORT.fullmatch(self.path)
            here = self.headers.get("host") == address.removeprefix("http://")  # no other name leads here
            page = _page(found[1]) if found and here else None
            self.send_response(200 if page is not None else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", _ALLOWED)
            self.send_header("content-length", str(len(page or b"")))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    def _page(key: str) -> bytes | None:
        try:
            return bytes(client.get_object(Bucket=bucket, Key=f"{prefix}/{key}")["Body"].read())
        except client.exceptions.ClientError:
            return None

    with ThreadingHTTPServer(("127.0.0.1", _port(home)), Reader) as room:
        address = f"http://127.0.0.1:{room.server_port}"
        threading.Thread(target=room.serve_forever, daemon=True).start()
        try:
            yield address
        finally:
            room.shutdown()


def _port(home: Path) -> int:
    """Return the home's port, or any free one where somebody has taken it."""
    wanted = int(kept(home / "reading.port", lambda: str(_free())))
    with suppress(OSError), socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(("127.0.0.1", wanted))
        return wanted
    return 0


def _free() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])
