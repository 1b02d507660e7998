"""What goes wrong below a store is told in its own words, whole, and without a key."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.local.seaweed import LocalStore
from tasks.settings import Secrets, Storage
from tasks.storage import Forbidden, Misconfigured, Missing, Store, Unavailable, open_store
from tasks.storage.s3 import BODY_TRIES, MULTIPART

NUMBER = "440524188001010010"
KEYS = {"IVS_BACKFILL_STORE_ACCESS_KEY": "k", "IVS_BACKFILL_STORE_SECRET_KEY": "s"}
Reply = Callable[[http.server.BaseHTTPRequestHandler, int], None]


@contextmanager
def scripted(reply: Reply) -> Iterator[Store]:
    """A store whose every answer is written by hand; `reply` gets the request and how many came before it."""
    asked: list[str] = []

    class Script(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            reply(self, len(asked) - 1)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Script) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings = Storage(endpoint_url=f"http://127.0.0.1:{server.server_port}", addressing="path", flavour="s3")
        yield open_store("s3://scripted/p", settings, Secrets(KEYS))
        server.shutdown()


def answer(request: http.server.BaseHTTPRequestHandler, status: int, body: bytes, *, length: int | None = None) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    request.send_header("ETag", '"e"')
    request.end_headers()
    request.wfile.write(body)
    request.close_connection = True


def cut_off(request: http.server.BaseHTTPRequestHandler) -> None:
    answer(request, 200, b"only ten b", length=100)


def refusal(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message><Key>{NUMBER}</Key></Error>".encode()


def test_a_body_that_breaks_off_is_asked_for_again() -> None:
    with scripted(lambda request, n: answer(request, 200, b"x" * 100) if n else cut_off(request)) as store:
        assert store.get("a") == b"x" * 100


def test_a_body_that_breaks_off_every_time_is_never_taken_for_the_object() -> None:
    seen: list[int] = []

    def always(request: http.server.BaseHTTPRequestHandler, n: int) -> None:
        seen.append(n)
        cut_off(request)

    with scripted(always) as store, pytest.raises(Unavailable) as told:
        store.get(NUMBER)
    assert len(seen) == BODY_TRIES
    assert NUMBER not in str(told.value)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", Forbidden),
        (403, "InvalidObjectState", Forbidden),
        (403, "SignatureDoesNotMatch", Misconfigured),
        (403, "InArrearOrInsufficientBalance", Misconfigured),
        (400, "TooManyWrongSignature", Misconfigured),
        (400, "VirtualHostDomainRequired", Misconfigured),
        (404, "NoSuchBucket", Misconfigured),
        (404, "NoSuchKey", Missing),
        (409, "OperationAborted", Unavailable),
        (418, "NeverHeardOf", Misconfigured),
    ],
)
def test_every_refusal_of_the_store_has_its_class_and_names_no_key(
    status: int, code: str, kind: type[Exception]
) -> None:
    with scripted(lambda request, _: answer(request, status, refusal(code))) as store, pytest.raises(kind) as told:
        store.get(NUMBER)
    assert type(told.value) is kind
    assert NUMBER not in str(told.value)
    assert told.value.__suppress_context__


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (400, "RequestTimeout")])
def test_a_store_that_is_busy_is_asked_again(status: int, code: str) -> None:
    def busy_once(request: http.server.BaseHTTPRequestHandler, n: int) -> None:
        answer(request, 200, b"x") if n else answer(request, status, refusal(code))

    with scripted(busy_once) as store:
        assert store.get("a") == b"x"


def test_a_missing_bucket_is_not_taken_for_a_missing_object(s3: LocalStore) -> None:
    nowhere, here = (open_store(f"s3://{bucket}/x", s3.settings(), of(s3)) for bucket in ("no-such-bucket", "tests"))
    for use in (nowhere.head, nowhere.get):
        with pytest.raises(Misconfigured):
            use(NUMBER)
    for _ in range(2):
        with pytest.raises(Missing):
            here.head(NUMBER)


def test_a_bucket_that_may_not_be_asked_for_counts_as_there() -> None:
    def confined_key(request: http.server.BaseHTTPRequestHandler, _: int) -> None:
        answer(request, 404 if "/p/" in request.path else 403, b"")

    with scripted(confined_key) as store, pytest.raises(Missing):
        store.head("a")


def test_a_large_file_goes_up_in_parts_and_is_told_of_like_any_other(s3: LocalStore, tmp_path: Path) -> None:
    path = tmp_path / NUMBER
    with path.open("wb") as file:
        file.truncate(MULTIPART + 1)
    assert open_store("s3://tests/large", s3.settings(), of(s3)).put("a", path).size == MULTIPART + 1
    with pytest.raises(Misconfigured) as told:
        open_store("s3://no-such-bucket/large", s3.settings(), of(s3)).put(NUMBER, path)
    assert NUMBER not in str(told.value)


@pytest.mark.parametrize("key", ["x" * 300, f"{NUMBER}/under-a-file", "nothing"])
def test_a_folder_tells_no_path_of_what_it_can_not_find(tmp_path: Path, key: str) -> None:
    (tmp_path / NUMBER).write_text("x", encoding="utf-8")
    for use in (folder(tmp_path).get, folder(tmp_path).head, folder(tmp_path).open):
        with pytest.raises(Missing) as told:
            use(key)
        assert key not in str(told.value)


def test_a_folder_tells_no_path_of_what_it_can_not_write(tmp_path: Path) -> None:
    (tmp_path / NUMBER).mkdir()
    for use in (lambda: folder(tmp_path).put(NUMBER, b""), lambda: folder(tmp_path).delete(NUMBER)):
        with pytest.raises(Unavailable) as told:
            use()
        assert NUMBER not in str(told.value)
    assert list(tmp_path.iterdir()) == [tmp_path / NUMBER], "nothing half-written stays"


def test_nothing_is_written_listed_or_removed_through_a_link_that_leads_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("x", encoding="utf-8")
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "kept")
    store = folder(inside)
    assert list(store.list()) == []
    for use in (
        lambda: store.put("folder/new", b""),
        lambda: store.put("file", b""),
        lambda: store.delete("folder/kept"),
    ):
        with pytest.raises(Forbidden):
            use()
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text(encoding="utf-8") == "x"


def test_a_file_removed_while_a_folder_is_listed_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = folder(tmp_path)
    for name in "abc":
        store.put(name, b"x")

    def removed_meanwhile(_store: object, path: Path) -> bool:
        if path.name == "b":
            path.unlink()
        return True

    monkeypatch.setattr("tasks.storage.folder.FolderStore._inside", removed_meanwhile)
    assert [info.key for info in store.list()] == ["a", "c"]


def test_a_write_under_way_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef.part").write_bytes(b"half")
    assert list(folder(tmp_path).list()) == []


@pytest.mark.parametrize("name", ["a#b", "a?b", "a b", "客户"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    plain, uri = tmp_path / name, (tmp_path / name).as_uri()
    for address in (str(plain), uri):
        assert open_store(address, Storage(), Secrets({})).uri == str(plain)


def folder(path: Path) -> Store:
    return open_store(str(path), Storage(), Secrets({}))


def of(s3: LocalStore) -> Secrets:
    return Secrets(dict(zip(sorted(KEYS), (s3.access_key.reveal(), s3.secret_key.reveal()), strict=True)))
