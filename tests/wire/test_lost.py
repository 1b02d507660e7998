"""What is lost on the way: a whole status line decides, however little comes behind it; old connections deceive nobody."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tasks.ivs.client import Answer, Body, Check, IvsClient
from tasks.ivs.errors import NeverSent
from tasks.ivs.signing import AkSkAuth
from tasks.ivs.transport import WireTransport
from tasks.ivs.watched import status_of
from tasks.privacy import Personal, Secret
from tasks.records import Operation
from tests.wire.scripted import Server, Visit, scripted

AUTHORITY = trustme.CA()


def tls_pair() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(server)
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    return server, trusting


@asynccontextmanager
async def client(
    url: str, *, tls: ssl.SSLContext | None = None, read_s: float = 20, connect_s: float = 20
) -> AsyncIterator[IvsClient]:
    made = IvsClient(
        endpoint=url,
        project_id="p",
        auth=AkSkAuth(Secret("a"), Secret("s")),
        transport=WireTransport(tls=tls),
        connect_timeout_s=connect_s,
        read_timeout_s=read_s,
    )
    try:
        yield made
    finally:
        await made.aclose()


async def body(of: IvsClient) -> Body:
    return await of.encode(Check(Operation.ID2_TEXT, Personal("张三"), Personal("440524188001010014")))


async def go() -> None:
    """Let a call leave."""


def verdict(uuid: str = "u1") -> bytes:
    row = {"verification_result": "valid", "verification_message": "m", "verification_code": 1000}
    return json.dumps({"meta": {"uuid": uuid}, "result": {"count": 1, "resp_data": [row]}}).encode()


def row(answer: Answer) -> tuple[str, str, int | None]:
    return answer.kind, answer.charge, answer.status


def says(*pieces: bytes, end: str = "reset", pause_s: float = 0.02) -> Callable[[Visit], Any]:
    async def play(visit: Visit) -> None:
        await visit.request()
        for piece in pieces:
            visit.writer.write(piece)
            await visit.writer.drain()
            await asyncio.sleep(pause_s)
        if end == "reset":
            visit.reset()
        elif end == "silence":
            await asyncio.sleep(2)

    return play


async def call(play: Callable[[Visit], Any], *, tls: bool = False, **over: Any) -> tuple[Answer, Server]:
    server_side, client_side = tls_pair() if tls else (None, None)
    async with scripted(play, server_side) as server, client(server.url, tls=client_side, **over) as of:
        return await of.call(await body(of), uuid="u1", depart=go), server


UNREADABLE, REFUSAL, MISSING = ("unreadable", "certain"), ("refusal", "none"), ("missing", "possible")
HEADS = [
    ([b"HTTP/1.1 200 OK\r\n"], (*UNREADABLE, 200)),
    ([b"HTTP/1.1 200\r\n"], (*UNREADABLE, 200)),
    ([b"HTTP/1.1 2", b"00 OK\r", b"\nContent-"], (*UNREADABLE, 200)),
    ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], (*UNREADABLE, 200)),
    ([b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n{}"], (*UNREADABLE, 200)),
    ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n{}"], (*UNREADABLE, 200)),
    ([b"HTTP/1.1 400 Bad Request\r\nConte"], (*REFUSAL, 400)),
    ([b"HTTP/1.1 429 Slow\r\n"], (*REFUSAL, 429)),
    ([b"HTTP/1.1 503 Busy\r\n"], (*REFUSAL, 503)),
    ([b"HTTP/1.1 504 Late\r\n"], (*MISSING, 504)),
    ([b"HTTP/1.1 507 Full\r\n"], (*MISSING, 507)),
    ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\n"], (*REFUSAL, 400)),
    ([b"HTTP/1.1 100 Continue\r\n\r\n"], (*MISSING, None)),
    ([b"HTTP/1.1 20"], (*MISSING, None)),
    ([b"HTTP/1.1 200 OK"], (*MISSING, None)),
    ([b"SSH-2.0-gate\r\n"], (*MISSING, None)),
    ([b""], (*MISSING, None)),
]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize(("pieces", "expected"), HEADS, ids=lambda case: repr(case)[:48])
async def test_a_whole_status_line_decides_whatever_is_lost_behind_it(
    pieces: list[bytes], expected: tuple[Any, ...], end: str, tls: bool
) -> None:
    answer, server = await call(says(*pieces, end=end), tls=tls)
    assert row(answer) == expected
    assert len(server.visits) == 1


@pytest.mark.parametrize(("pieces", "expected"), HEADS[:1] + HEADS[6:7] + HEADS[13:14], ids=["200", "400", "half"])
async def test_a_status_line_before_silence_decides_too(pieces: list[bytes], expected: tuple[Any, ...]) -> None:
    answer, _ = await call(says(*pieces, end="silence"), read_s=0.3)
    assert row(answer) == expected


@given(st.integers(200, 599), st.lists(st.integers(1, 80), max_size=6), st.booleans())
def test_a_status_is_known_exactly_from_the_end_of_its_line(status: int, cuts: list[int], early: bool) -> None:
    before = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" if early else b""
    line = b"HTTP/1.1 %d Reason\r\n" % status
    whole = before + line + b"A: b\r\n\r\n{}"
    for cut in [*cuts, len(whole)]:
        assert status_of(whole[:cut]) == (status if cut >= len(before) + len(line) else None)


async def test_an_answer_that_drips_for_ever_is_given_up() -> None:
    dripped = itertools.count()

    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, b"", claim=10_000)
        while next(dripped) < 1_000:
            visit.writer.write(b" ")
            await visit.writer.drain()
            await asyncio.sleep(0.05)

    answer, _ = await call(play, read_s=1)
    assert row(answer) == (*UNREADABLE, 200)
    assert next(dripped) < 1_000


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, b"", claim=10**12)
        for _ in range(100):
            visit.writer.write(b" " * 1_000_000)
            sent.append(1)
            await visit.writer.drain()

    sent: list[int] = []
    answer, _ = await call(play, read_s=20)
    assert row(answer) == (*UNREADABLE, 200)
    assert len(sent) < 100


PACKED = gzip.compress(verdict())


@pytest.mark.parametrize("packed", [PACKED, PACKED[:30], b"not gzip"], ids=["whole", "cut", "no gzip"])
async def test_a_packed_answer_is_unpacked_or_unreadable_and_never_an_error(packed: bytes) -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, packed, "Content-Encoding: gzip")

    answer, _ = await call(play)
    assert answer.charge == "certain"
    assert answer.kind == ("verdict" if packed == PACKED else "unreadable")


async def test_a_refusal_in_the_middle_of_a_large_body_is_a_refusal() -> None:
    async def play(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.answer(413, b'{"error_code":"APIG.0201","error_msg":"x"}', "Retry-After: 7")
        await asyncio.sleep(0.1)
        visit.reset()

    async with scripted(play) as server, client(server.url) as of:
        face = Check(
            Operation.ID3_TEXT_FACE, Personal("张三"), Personal("440524188001010014"), face=b"\xff" * 2_900_000
        )
        answer = await of.call(await of.encode(face), uuid="u1", depart=go)
    assert row(answer) == (*REFUSAL, 413)
    assert (answer.retry_after_s, answer.rule.retry) == (7.0, "if_retry_after")


async def test_a_connection_the_server_has_closed_is_not_used_again() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, verdict())

    async with scripted(play) as server, client(server.url) as of:
        for _ in range(3):
            assert row(await of.call(await body(of), uuid="u1", depart=go)) == ("verdict", "certain", 200)
            await asyncio.sleep(0.05)
        assert (len(server.visits), server.requests) == (3, 3)


async def test_a_connection_that_spoke_unasked_is_not_used_again() -> None:
    """Else the next call would take an old refusal for its own and be made twice."""

    spoke = asyncio.Event()

    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, verdict())
        if len(server.visits) == 1:
            await asyncio.sleep(0.02)
            await visit.answer(400, b'{"error_code":"IVS.0011","error_msg":"x"}')
            spoke.set()
        await asyncio.sleep(0.5)

    async with scripted(play) as server, client(server.url) as of:
        first = await of.call(await body(of), uuid="u1", depart=go)
        await spoke.wait()
        await asyncio.sleep(0.05)  # what lies in the socket is read before
        second = await of.call(await body(of), uuid="u1", depart=go)
        assert (first.kind, second.kind) == ("verdict", "verdict")
        assert len(server.visits) == 2


async def test_an_answer_that_comes_before_its_question_is_no_answer() -> None:
    asked = asyncio.Event()

    async def play(visit: Visit) -> None:
        await asked.wait()
        await visit.answer(400, b'{"error_code":"IVS.0011","error_msg":"x"}')
        await visit.request()

    async def depart() -> None:
        asked.set()
        await asyncio.sleep(0.1)

    async with scripted(play) as server, client(server.url) as of:
        with pytest.raises(NeverSent):
            await of.call(await body(of), uuid="u1", depart=depart)
        assert sum(len(visit.received) for visit in server.visits) == 0


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_lost_while_the_hook_waits_was_never_sent(tls: bool) -> None:
    """Nothing left, and it is known: the departure on record can be taken back."""
    server_side, client_side = tls_pair() if tls else (None, None)

    lost = asyncio.Event()

    async def play(visit: Visit) -> None:
        visit.writer.close()
        lost.set()

    async def depart() -> None:
        await lost.wait()
        await asyncio.sleep(0.2)

    async with scripted(play, server_side) as server, client(server.url, tls=client_side) as of:
        with pytest.raises(NeverSent):
            await of.call(await body(of), uuid="u1", depart=depart)
        assert (len(server.visits), server.requests) == (1, 0)


async def test_what_the_hook_raises_keeps_its_cause_and_takes_nothing_on() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()

    cause = KeyError("cause")
    raised = ConnectionResetError("as it is")
    raised.__cause__ = cause

    async def depart() -> None:
        raise raised

    async with scripted(play) as server, client(server.url) as of:
        with pytest.raises(ConnectionResetError) as caught:
            await of.call(await body(of), uuid="u1", depart=depart)
        assert caught.value is raised
        assert caught.value.__cause__ is cause
        assert sum(len(visit.received) for visit in server.visits) == 0


async def test_a_handshake_that_never_ends_was_never_sent() -> None:
    async def play(visit: Visit) -> None:
        await asyncio.sleep(3)

    async with scripted(play) as server, client(server.url.replace("http:", "https:"), connect_s=1) as of:
        with pytest.raises(NeverSent, match="ConnectTimeout"):
            await of.call(await body(of), uuid="u1", depart=go)


async def test_a_caller_cancelled_twice_is_let_go_at_once() -> None:
    got = asyncio.Event()

    async def play(visit: Visit) -> None:
        await visit.request()
        got.set()
        await asyncio.sleep(2)

    async with scripted(play) as server, client(server.url) as of:
        asking = asyncio.create_task(of.call(await body(of), uuid="u1", depart=go))
        await got.wait()
        asking.cancel()
        await asyncio.sleep(0.02)
        asking.cancel()
        async with asyncio.timeout(1.5):
            with pytest.raises(asyncio.CancelledError):
                await asking
