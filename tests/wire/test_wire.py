"""Every wire event on real sockets ends in the row of the table of answers, and nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme

from tasks.ivs.client import Answer, Body, Check, IvsClient
from tasks.ivs.codes import facts
from tasks.ivs.errors import BodyTooLarge, NeverSent
from tasks.ivs.signing import AkSkAuth
from tasks.ivs.transport import WireTransport
from tasks.privacy import Personal, Secret
from tasks.records import Operation
from tests.wire.scripted import Server, Visit, scripted

AUTHORITY = trustme.CA()


def tls_of(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names).configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


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
    return await of.encode(Check(Operation.ID2_TEXT, Personal("张三"), Personal("440524188001010010")))


async def go() -> None:
    """Let a call leave."""


def verdict(uuid: str, code: int = 1000) -> bytes:
    row = {"verification_result": "valid", "verification_message": "m", "verification_code": code}
    return json.dumps({"meta": {"uuid": uuid}, "result": {"count": 1, "resp_data": [row]}}).encode()


async def call(play: Callable[[Visit], Any], **over: Any) -> tuple[Answer, Server]:
    async with scripted(play) as server, client(server.url, **over) as of:
        answer = await of.call(await body(of), uuid="u1", depart=go)
        return answer, server


def row(answer: Answer) -> tuple[str, str]:
    return answer.kind, answer.charge


async def test_a_verdict_is_certain() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, verdict("u1"), "X-Request-Id: r9")

    answer, _ = await call(play)
    assert row(answer) == ("verdict", "certain")
    assert (answer.verification_code, answer.request_id) == ("1000", "r9")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        verdict("u1")[:40],
        b'{"error_code":"IVS.0101","error_msg":"x"}',
        b"[]",
        b"null",
        verdict("other"),
    ],
)
async def test_a_200_that_is_not_our_verdict_is_unreadable_and_paid(content: bytes) -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, content)

    answer, _ = await call(play)
    assert row(answer) == ("unreadable", "certain")
    assert (answer.rule.final == "run") == (b"other" in content)


async def test_a_200_broken_off_in_its_body_is_unreadable_and_paid() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, verdict("u1")[:20], claim=500)
        await asyncio.sleep(0.05)
        visit.reset()

    answer, _ = await call(play)
    assert row(answer) == ("unreadable", "certain")


async def test_a_refusal_broken_off_in_its_body_is_still_a_refusal() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(400, b'{"error', claim=500)
        await asyncio.sleep(0.05)
        visit.reset()

    answer, _ = await call(play)
    assert row(answer) == ("refusal", "none")


async def reset_after_body(visit: Visit) -> None:
    await visit.request()
    visit.reset()


async def reset_in_body(visit: Visit) -> None:
    await visit.reader.readuntil(b"\r\n\r\n")
    visit.reset()


async def close_after_body(visit: Visit) -> None:
    await visit.request()


async def half_a_status_line(visit: Visit) -> None:
    await visit.request()
    visit.writer.write(b"HTTP/1.1 20")
    await visit.writer.drain()
    visit.reset()


async def too_late(visit: Visit) -> None:
    await visit.request()
    await asyncio.sleep(2)
    await visit.answer(200, verdict("u1"))


@pytest.mark.parametrize(
    "play", [reset_after_body, reset_in_body, close_after_body, half_a_status_line, too_late], ids=lambda f: f.__name__
)
async def test_an_answer_that_does_not_come_leaves_the_call_in_doubt(play: Any) -> None:
    answer, server = await call(play, read_s=0.3)
    assert row(answer) == ("missing", "possible")
    assert answer.status is None
    assert len(server.visits) == 1


async def test_a_refused_connection_was_never_sent() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with client(f"http://127.0.0.1:{held.getsockname()[1]}") as of:
            with pytest.raises(NeverSent, match="ConnectError"):
                await of.call(await body(of), uuid="u1", depart=go)


async def test_an_unknown_host_was_never_sent() -> None:
    async with client("http://no-such-host.invalid") as of:
        with pytest.raises(NeverSent):
            await of.call(await body(of), uuid="u1", depart=go)


@pytest.mark.parametrize("name", ["localhost", "another.example"])
async def test_tls_is_verified_before_anything_is_sent(name: str) -> None:
    left = []

    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, verdict("u1"))

    async def depart() -> None:
        left.append(1)

    async with scripted(play, tls_of(name)) as server, client(server.url, tls=trusting()) as of:
        if name == "localhost":
            assert row(await of.call(await body(of), uuid="u1", depart=depart)) == ("verdict", "certain")
        else:
            with pytest.raises(NeverSent):
                await of.call(await body(of), uuid="u1", depart=depart)
            assert left == []


async def test_a_certificate_nobody_vouches_for_was_never_sent() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()

    async with scripted(play, tls_of("localhost")) as server, client(server.url) as of:
        with pytest.raises(NeverSent):
            await of.call(await body(of), uuid="u1", depart=go)


async def test_a_hook_that_raises_sends_no_byte_and_its_error_comes_out_as_it_is() -> None:
    class NotNowError(Exception):
        pass

    async def play(visit: Visit) -> None:
        await visit.request()

    async def depart() -> None:
        raise NotNowError

    async with scripted(play) as server, client(server.url) as of:
        with pytest.raises(NotNowError):
            await of.call(await body(of), uuid="u1", depart=depart)
        await asyncio.sleep(0.05)
        assert sum(len(visit.received) for visit in server.visits) == 0


async def test_a_hook_that_is_cancelled_sends_no_byte() -> None:
    waiting = asyncio.Event()

    async def play(visit: Visit) -> None:
        await visit.request()

    async def depart() -> None:
        waiting.set()
        await asyncio.sleep(10)

    async with scripted(play) as server, client(server.url) as of:
        asking = asyncio.create_task(of.call(await body(of), uuid="u1", depart=depart))
        await waiting.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.05)
        assert sum(len(visit.received) for visit in server.visits) == 0


async def test_a_caller_cancelled_after_sending_still_learns_the_answer() -> None:
    got = asyncio.Event()

    async def play(visit: Visit) -> None:
        await visit.request()
        got.set()
        await asyncio.sleep(0.1)
        await visit.answer(200, verdict("u1"))

    async with scripted(play) as server, client(server.url) as of:
        asking = asyncio.create_task(of.call(await body(of), uuid="u1", depart=go))
        await got.wait()
        asking.cancel()
        assert row(await asking) == ("verdict", "certain")


async def test_no_post_is_sent_again_on_a_connection_that_went_stale() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, verdict("u1"))
        await visit.request()
        visit.reset()

    async with scripted(play) as server, client(server.url) as of:
        first = await of.call(await body(of), uuid="u1", depart=go)
        second = await of.call(await body(of), uuid="u2", depart=go)
        assert (row(first), row(second)) == (("verdict", "certain"), ("missing", "possible"))
        assert server.requests == 2
        assert len(server.visits) == 1


@pytest.mark.parametrize(("header", "seconds"), [("Retry-After: 3", 3.0), ("X-Nothing: 1", None)])
async def test_throttling_tells_how_long_and_how_much(header: str, seconds: float | None) -> None:
    said = {"error_code": "APIG.0308", "error_msg": "policy user over ratelimit,limit:10,time:1 second"}

    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(429, json.dumps(said).encode(), header)

    answer, _ = await call(play)
    assert row(answer) == ("refusal", "none")
    assert (answer.retry_after_s, answer.limit_hint) == (seconds, (10, 1.0))
    assert answer.rule.retry == "backoff"


def expected_of(status: int, code: str) -> tuple[str, str]:
    """The table of answers, written out again for the test."""
    if status == 504:
        return "missing", "possible"
    if status >= 500 and code == "IVS.9999":
        return "missing", "possible"
    return "refusal", "none"


ERRORS = [(row["status"], row["code"]) for row in facts() if row["status"] != 200]
UNKNOWN = [(400, "IVS.9999"), (500, "IVS.9999"), (503, "IVS.9999"), (404, "IVS.9999"), (507, ""), (418, "")]


async def test_every_code_of_the_reference_ends_in_its_row() -> None:
    answers = iter([*ERRORS, *UNKNOWN])
    wanted = [*ERRORS, *UNKNOWN]

    async def play(visit: Visit) -> None:
        while True:
            await visit.request()
            status, code = next(answers)
            said = json.dumps({"error_code": code, "error_msg": "x"}) if code else "<html>"
            await visit.answer(status, said.encode())

    async with scripted(play) as server, client(server.url) as of:
        asked = await body(of)
        for status, code in wanted:
            answer = await of.call(asked, uuid="u1", depart=go)
            expected = ("missing", "possible") if (status, code) == (507, "") else expected_of(status, code)
            assert row(answer) == expected, (status, code)
            if code == "IVS.9999" and status < 500:
                assert answer.rule.retry == "never"
        assert server.requests == len(wanted)


@pytest.mark.parametrize("value", [88, 88.5, "88", None])
async def test_similarity_may_be_text_or_number_or_missing(value: object) -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        parsed = json.loads(verdict("u1"))
        parsed["result"]["resp_data"][0]["similarity"] = value
        await visit.answer(200, json.dumps(parsed).encode())

    answer, _ = await call(play)
    assert answer.similarity == (None if value is None else str(value))


async def test_a_body_over_the_limit_is_refused_before_a_call_is_spent() -> None:
    async with client("http://127.0.0.1:9") as of:
        big = b"\xff" * 4_600_000
        with pytest.raises(BodyTooLarge):
            await of.encode(Check(Operation.ID3_IMAGE_FACE, card_front=big, card_back=big, face=b"x"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async def play(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.answer(status, b"", f"Location: {server.url}/elsewhere")

    async with scripted(play) as server, client(server.url) as of:
        answer = await of.call(await body(of), uuid="u1", depart=go)
        assert (answer.kind, answer.rule.final) == ("refusal", "run")
        assert b"".join(bytes(visit.received) for visit in server.visits).count(b"HTTP/1.1") == 1


async def test_the_cost_centre_travels_with_the_call() -> None:
    async def play(visit: Visit) -> None:
        await visit.request()
        await visit.answer(200, verdict("u1"))

    async with scripted(play) as server:
        of = IvsClient(
            endpoint=server.url,
            project_id=None,
            auth=AkSkAuth(Secret("a"), Secret("s"), security_token=Secret("temporary")),
            transport=WireTransport(),
            enterprise_project_id="cost-7",
        )
        await of.renew()
        await of.call(await body(of), uuid="u1", depart=go)
        await of.aclose()
        head = bytes(server.visits[0].received).lower()
    assert b"enterprise-project-id: cost-7" in head
    assert b"x-security-token: temporary" in head
    assert b"signedheaders=content-type;enterprise-project-id;host;user-agent;x-sdk-date;x-security-token" in head


async def test_a_large_body_arrives_as_it_was_signed() -> None:
    seen: list[bytes] = []

    async def play(visit: Visit) -> None:
        seen.append(await visit.request())
        await visit.answer(200, verdict("u1"))

    async with scripted(play) as server, client(server.url) as of:
        asked = await of.encode(
            Check(
                Operation.ID3_TEXT_FACE, Personal("张三"), Personal("440524188001010010"), face=b"\xff\xd8" * 1_300_000
            )
        )
        await of.call(asked, uuid="u1", depart=go)
    assert json.loads(seen[0])["data"]["req_data"][0]["verification_name"] == "张三"
    assert len(seen[0]) > 3_400_000
