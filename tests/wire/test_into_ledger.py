"""Every wire event, driven through the verify loop, ends in its row of the table of answers in the ledger."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.ivs.codes import facts
from tasks.ledger import Ending
from tasks.ledger.calls import anew
from tests.wire.asking import PRICE, asking
from tests.wire.scripted import Visit, scripted
from tests.wire.test_wire import expected_of, tls_of, trusting

ANSWERED = ("answered", "verdict", "certain", 0, PRICE)
UNREADABLE = ("answered", "unreadable", "certain", 1, PRICE)
REFUSED = ("refused", "refusal", "none", 0, 0)
IN_DOUBT = ("in_doubt", "missing", "possible", 1, PRICE)
WITHDRAWN = ("withdrawn", "", "none", 0, 0)

Play = Callable[[Visit], Any]


def verdict(body: bytes, code: int = 1000, uuid: str = "") -> bytes:
    asked = json.loads(body)["meta"]["uuid"]
    row = {"verification_result": "valid", "verification_message": "m", "verification_code": code}
    return json.dumps({"meta": {"uuid": uuid or asked}, "result": {"count": 1, "resp_data": [row]}}).encode()


def says(status: int, content: bytes | Callable[[bytes], bytes], *headers: str, claim: int | None = None) -> Play:
    async def play(visit: Visit) -> None:
        while True:
            body = await visit.request()
            await visit.answer(status, content(body) if callable(content) else content, *headers, claim=claim)
            if claim:
                await asyncio.sleep(0.05)
                visit.reset()

    return play


async def reset_in_head(visit: Visit) -> None:
    await visit.reader.read(10)
    visit.received += b"POST "
    visit.reset()


async def reset_before_body(visit: Visit) -> None:
    visit.received += await visit.reader.readuntil(b"\r\n\r\n")
    visit.reset()


async def reset_after_body(visit: Visit) -> None:
    await visit.request()
    visit.reset()


async def closed_after_body(visit: Visit) -> None:
    await visit.request()


async def half_a_status_line(visit: Visit) -> None:
    await visit.request()
    visit.writer.write(b"HTTP/1.1 20")
    await visit.writer.drain()
    visit.reset()


async def whole_line_and_no_more(visit: Visit) -> None:
    await visit.request()
    visit.writer.write(b"HTTP/1.1 200 OK\r\n")
    await visit.writer.drain()
    await asyncio.sleep(0.05)
    visit.reset()


async def too_late(visit: Visit) -> None:
    body = await visit.request()
    await asyncio.sleep(1.5)
    await visit.answer(200, verdict(body))


def error(code: str) -> bytes:
    return json.dumps({"error_code": code, "error_msg": "x"}).encode()


EVENTS: dict[str, tuple[Play, tuple[Any, ...], str]] = {
    "verdict": (says(200, verdict), ANSWERED, ""),
    "reset in the head": (reset_in_head, IN_DOUBT, ""),
    "reset before the body": (reset_before_body, IN_DOUBT, ""),
    "reset after the body": (reset_after_body, IN_DOUBT, ""),
    "closed after the body": (closed_after_body, IN_DOUBT, ""),
    "half a status line": (half_a_status_line, IN_DOUBT, ""),
    "a whole status line": (whole_line_and_no_more, UNREADABLE, ""),
    "reset in the answer": (says(200, lambda body: verdict(body)[:40], claim=9_999), UNREADABLE, ""),
    "late answer": (too_late, IN_DOUBT, ""),
    "truncated 200": (says(200, lambda body: verdict(body)[:40]), UNREADABLE, ""),
    "non-JSON 200": (says(200, b"<html>"), UNREADABLE, ""),
    "empty 200": (says(200, b""), UNREADABLE, ""),
    "wrong uuid": (says(200, lambda body: verdict(body, uuid="another")), UNREADABLE, "provider"),
    "error body in a 200": (says(200, error("IVS.0101")), UNREADABLE, ""),
    "429": (says(429, error("APIG.0308"), "Retry-After: 0"), REFUSED, ""),
    "500": (says(500, error("IVS.0101")), REFUSED, ""),
    "500 of a code nobody knows": (says(500, error("IVS.9999")), IN_DOUBT, ""),
    "502 html": (says(502, b"<html>"), REFUSED, ""),
    "503": (says(503, b"<html>"), REFUSED, ""),
    "504": (says(504, error("APIG.0203")), IN_DOUBT, ""),
    "504 html": (says(504, b"<html>"), IN_DOUBT, ""),
    "507": (says(507, b""), IN_DOUBT, ""),
    "400 of a code nobody knows": (says(400, error("IVS.9999")), REFUSED, ""),
    "refusal reset in its body": (says(400, b'{"error', claim=500), REFUSED, ""),
    "redirect": (says(302, b"", "Location: /elsewhere"), REFUSED, "account"),
}


@pytest.mark.parametrize("event", EVENTS)
async def test_a_wire_event_ends_in_its_row_and_is_sent_once(tmp_path: Path, event: str) -> None:
    play, expected, stops = EVENTS[event]
    read_s = 0.4 if event == "late answer" else 20
    async with scripted(play) as server, asking(server.url, tmp_path, read_s=read_s) as asked:
        ref = await asked.one()
        rows = asked.calls(ref)
        if event == "429":  # asked again until its time is over, each time as a new call
            assert len(rows) > 1
            rows = list(dict.fromkeys(rows))
        assert rows == [expected]
        assert asked.asker.gate.stopped == stops
        assert server.requests == len(asked.calls(ref)), "each call of the ledger was sent once"
        charge = expected[2]
        certain, possible = (charge == "certain") * PRICE, (charge == "possible") * PRICE
        assert asked.booked() == (certain, possible, int(charge != "none"))


@pytest.mark.parametrize("event", ["refused", "unknown host", "wrong name", "nobody vouches", "endless handshake"])
async def test_what_was_never_sent_leaves_no_call(tmp_path: Path, event: str) -> None:
    async def silence(visit: Visit) -> None:
        await asyncio.sleep(3)

    names = {"wrong name": "another.example", "nobody vouches": "localhost"}
    tls = tls_of(names[event]) if event in names else None
    trust = trusting() if event == "wrong name" else None
    async with scripted(silence, tls) as server:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = {
                "refused": f"http://127.0.0.1:{held.getsockname()[1]}",
                "unknown host": "http://no-such-host.invalid",
                "endless handshake": server.url.replace("http:", "https:"),
            }.get(event, server.url)
            async with asking(url, tmp_path, tls=trust, connect_s=1, attempts=2) as asked:
                ref = await asked.one()
        assert asked.calls(ref) == []
        assert asked.booked() == (0, 0, 0)
        assert asked.asker.gate.stopped == "provider"
        assert server.requests == 0


async def test_a_stale_connection_leaves_a_doubt_and_no_second_request(tmp_path: Path) -> None:
    async def play(visit: Visit) -> None:
        await visit.answer(200, verdict(await visit.request()))
        await visit.request()
        visit.reset()

    async with scripted(play) as server, asking(server.url, tmp_path) as asked:
        first, second = await asked.one(), await asked.one()
        assert (asked.calls(first), asked.calls(second)) == ([ANSWERED], [IN_DOUBT])
        assert (len(server.visits), server.requests) == (1, 2)


async def test_an_answer_too_old_to_serve_is_not_relied_on_where_anothers_call_was_refused(tmp_path: Path) -> None:
    async with scripted(says(200, verdict)) as server, asking(server.url, tmp_path) as asked:
        asker, ledger = asked.asker, asked.ledger
        row: dict[str, Any] = dict.fromkeys(("record_ref", "subject", "key_id", "cost_centre", "org_code"), "other")
        row |= {"question": "q1", "operation": "id2_text", "family": "two_factor", "known_us": 0, "also": ()}
        old = asker._departure(row, 0)
        old = replace(old, month=asker.month_of(ledger.clock_us()))
        await ledger.depart(old)
        asked.known_us = ledger.clock_us()
        await ledger.end(
            old, Ending("answered", "verdict", "certain", asked.known_us, outcome="mismatch"), asker.prices.at
        )
        under_way = replace(anew(old, call_id="under way", attempt=2, sent_us=1), known_us=asked.known_us)
        await ledger.depart(under_way)
        waits = asyncio.ensure_future(asked.one())
        await asyncio.sleep(0.3)
        await ledger.end(under_way, Ending("refused", "refusal", "none", 2, status=429), asker.prices.at)
        assert asked.calls(await waits) == [ANSWERED]


async def test_a_connection_lost_before_the_first_byte_is_taken_back_and_asked_again(tmp_path: Path) -> None:
    async def play(visit: Visit) -> None:
        if len(server.visits) == 1:
            lost.set()
            return
        await visit.answer(200, verdict(await visit.request()))

    lost = asyncio.Event()
    async with scripted(play) as server, asking(server.url, tmp_path, attempts=3) as asked:
        pacer = asked.asker.pacers["two_factor"]
        real = pacer.moment

        async def late(slot_us: int) -> None:
            if len(server.visits) == 1:
                await lost.wait()
                await asyncio.sleep(0.2)
            await real(slot_us)

        pacer.moment = late  # type: ignore[method-assign]
        ref = await asked.one()
        assert asked.calls(ref) == [WITHDRAWN, ANSWERED]
        assert server.requests == 1
        assert asked.booked() == (PRICE, 0, 1)


CODES = [(row["status"], row["code"]) for row in facts()]
NEW_TOKEN = {(400, "IVS.0013"), (401, "APIG.0307"), (401, "IAM.0066"), (401, "IAM.0067")}
ROWS = {("refusal", "none"): REFUSED, ("missing", "possible"): IN_DOUBT}


async def test_every_code_of_the_reference_ends_in_its_row_of_the_ledger(tmp_path: Path) -> None:
    now = [CODES[0]]

    async def play(visit: Visit) -> None:
        while True:
            body = await visit.request()
            status, code = now[0]
            said = verdict(body, int(code)) if status == 200 else error(code) if code else b"<html>"
            await visit.answer(status, said)

    async with scripted(play) as server, asking(server.url, tmp_path) as asked:
        asked.asker.limits = asked.asker.limits.model_copy(update={"throttled_most_s": 0})
        sent = 0
        for now[0] in CODES:
            status, code = now[0]
            ref = await asked.one()
            expected = ANSWERED if status == 200 else ROWS[expected_of(status, code)]
            times = 2 if (status, code) in NEW_TOKEN else 1  # once more with a new token, where that may help
            assert asked.calls(ref) == [expected] * times, (status, code)
            sent += times
        assert server.requests == sent > 100
