"""Tokens: one for all, renewed once, never looped on a refusal; and never a call sent a second time by itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Awaitable, Callable

import pytest

from tasks.ivs.client import Check, IvsClient
from tasks.ivs.errors import NeverSent, RunStopper, TokenError
from tasks.ivs.tokens import TokenAuth
from tasks.ivs.transport import WireTransport
from tasks.privacy import Personal, Secret
from tasks.records import Operation
from tests.conftest import Twin
from tests.people import fixed
from tests.wire.scripted import Server, Visit, scripted


async def go() -> None:
    return None


def auth_for(twin: Twin, transport: WireTransport, **over: object) -> TokenAuth:
    at = twin.at
    given: dict[str, object] = {
        "iam_endpoint": at.iam, "domain": at.domain, "user": at.user, "password": at.password, "project": "cn-north-4",
        "transport": transport,
    }  # fmt: skip
    return TokenAuth(**(given | over))  # type: ignore[arg-type]


async def test_one_token_serves_all_calls_however_many_ask_at_once(twin: Twin) -> None:
    transport = WireTransport()
    auth = auth_for(twin, transport)
    client = IvsClient(endpoint=twin.at.ivs, project_id=None, auth=auth, transport=transport)
    body = await client.encode(Check(Operation.ID2_TEXT, *map(Personal, fixed("1000"))))
    answers = await asyncio.gather(*(client.call(body, uuid=uuid.uuid4().hex, depart=go) for _ in range(20)))
    assert {answer.kind for answer in answers} == {"verdict"}
    assert auth.fetched == 1
    await client.aclose()


async def test_an_expired_token_is_a_refusal_and_renewing_is_the_callers_step(twin: Twin) -> None:
    transport = WireTransport()
    auth = auth_for(twin, transport)
    client = IvsClient(endpoint=twin.at.ivs, project_id=None, auth=auth, transport=transport)
    body = await client.encode(Check(Operation.ID2_TEXT, *map(Personal, fixed("1000"))))
    await client.call(body, uuid="a", depart=go)
    twin.faults({"fault": "token_expired", "match": {"nth": 1}})
    before = len(twin.journal())
    refused = await client.call(body, uuid="b", depart=go)
    assert (refused.kind, refused.code, refused.rule.retry) == ("refusal", "APIG.0307", "after_new_token")
    assert len(twin.journal()) == before + 1
    await asyncio.gather(client.renew(), client.renew(), client.renew())
    assert auth.fetched == 2
    assert (await client.call(body, uuid="c", depart=go)).kind == "verdict"
    await client.aclose()


async def test_a_token_is_renewed_early(twin: Twin) -> None:
    now = [dt.datetime.now(dt.UTC)]
    transport = WireTransport()
    auth = auth_for(twin, transport, clock=lambda: now[0])
    await auth.token()
    now[0] += dt.timedelta(hours=23)
    await auth.token()
    assert auth.fetched == 1
    now[0] += dt.timedelta(minutes=40)
    await auth.token()
    assert auth.fetched == 2
    await transport.aclose()


async def test_a_wrong_password_is_asked_once_and_nothing_is_sent(twin: Twin) -> None:
    transport = WireTransport()
    auth = auth_for(twin, transport, password=Secret("wrong"))
    client = IvsClient(endpoint=twin.at.ivs, project_id=None, auth=auth, transport=transport)
    body = await client.encode(Check(Operation.ID2_TEXT, *map(Personal, fixed("1000"))))
    for _ in range(6):
        with pytest.raises(RunStopper, match="IAM.0062"):
            await client.call(body, uuid="a", depart=go)
    assert auth.fetched == 1
    assert twin.journal() == []
    await client.aclose()


async def test_a_busy_token_service_is_asked_again_a_few_times(twin: Twin) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    transport = WireTransport()
    auth = auth_for(twin, transport, sleep=sleep)
    twin.faults({"fault": "code", "match": {"operation": "iam_token", "nth": [1, 2]}, "args": {"code": "IAM.0012"}})
    assert (await auth.token()).expires > dt.datetime.now(dt.UTC)
    assert len(waits) == 2
    twin.faults({"fault": "code", "match": {"operation": "iam_token"}, "args": {"code": "IAM.0006"}})
    auth.refused((await auth.token()).value.reveal())
    with pytest.raises(TokenError, match="IAM.0006"):
        await auth.renew()
    assert len(waits) == 5
    await transport.aclose()


def iam(*answers: tuple[int, str, dict[str, str]]) -> Callable[[Visit], Awaitable[None]]:
    left = iter(answers)

    async def play(visit: Visit) -> None:
        while True:
            await visit.request()
            status, text, headers = next(left)
            await visit.answer(status, text.encode(), *(f"{name}: {value}" for name, value in headers.items()))

    return play


def auth_at(server: Server, transport: WireTransport, now: list[dt.datetime]) -> TokenAuth:
    async def sleep(_seconds: float) -> None:
        return None

    return TokenAuth(
        iam_endpoint=server.url, domain="d", user="u", password=Secret("p"), project="cn-north-4",
        transport=transport, clock=lambda: now[0], sleep=sleep,
    )  # fmt: skip


async def test_a_token_of_many_kilobytes_is_read() -> None:
    long = "M" * 30_000
    transport = WireTransport()
    async with scripted(iam((201, "{}", {"X-Subject-Token": long}))) as server:
        auth = auth_at(server, transport, [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)])
        assert (await auth.token()).value.reveal() == long
        await transport.aclose()


@pytest.mark.parametrize("ends", ["2026-01-05T00:20:00.000000Z", "2026-01-05T00:20:00", "2026-01-04T00:00:00Z"])
async def test_a_short_or_ended_token_is_not_fetched_for_every_call(ends: str) -> None:
    """Its end may lie in the past only where the two clocks differ."""
    now = [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)]
    said = (201, json.dumps({"token": {"expires_at": ends}}), {"X-Subject-Token": "t"})
    transport = WireTransport()
    async with scripted(iam(said, said)) as server:
        auth = auth_at(server, transport, now)
        for _ in range(3):
            await auth.token()
        assert auth.fetched == 1
        now[0] += dt.timedelta(minutes=11)
        await auth.token()
        assert auth.fetched == 2
        await transport.aclose()


@pytest.mark.parametrize("answer", [(500, "<html>"), (503, ""), (507, ""), (410, '{"error_code":"IAM.0020"}')])
async def test_a_token_service_in_trouble_is_asked_four_times_and_then_no_call_leaves(answer: tuple[int, str]) -> None:
    transport = WireTransport()
    async with scripted(iam(*[(*answer, {})] * 4)) as server:
        auth = auth_at(server, transport, [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)])
        client = IvsClient(endpoint=server.url, project_id=None, auth=auth, transport=transport)
        body = await client.encode(Check(Operation.ID2_TEXT, *map(Personal, fixed("1000"))))
        with pytest.raises(NeverSent) as caught:
            await client.call(body, uuid="a", depart=go)
        assert not isinstance(caught.value, RunStopper)
        assert auth.fetched == server.requests == 4
        await client.aclose()


async def test_late_refusals_of_an_old_token_do_not_fetch_again() -> None:
    """All calls in flight are refused when a token ends; however late each of them hears of it, one new token is had."""
    tokens = [(201, "{}", {"X-Subject-Token": f"t{n}"}) for n in range(3)]
    transport = WireTransport()
    async with scripted(iam(*tokens)) as server:
        auth = auth_at(server, transport, [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)])
        old = (await auth.token()).value.reveal()
        for _ in range(5):
            auth.refused(old)
            await auth.renew()
        assert auth.fetched == 2
        await transport.aclose()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, '{"error_code":"APIG.0301","error_msg":"Incorrect IAM authentication information: decrypt token fail"}'),
        (401, '{"error_code":"APIG.0307","error_msg":"The token must be updated."}'),
        (400, '{"error_code":"IVS.0013","error_msg":"The authentication token is abnormal."}'),
        (401, "<html>"),
    ],
    ids=["0301", "0307", "0013", "plain"],
)
async def test_with_a_token_what_may_be_its_fault_is_worth_a_new_one(status: int, said: str) -> None:
    answers = iam((201, "{}", {"X-Subject-Token": "old"}), (status, said, {}), (201, "{}", {"X-Subject-Token": "new"}))
    transport = WireTransport()
    async with scripted(answers) as server:
        auth = auth_at(server, transport, [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)])
        client = IvsClient(endpoint=server.url, project_id=None, auth=auth, transport=transport)
        body = await client.encode(Check(Operation.ID2_TEXT, *map(Personal, fixed("1000"))))
        answer = await client.call(body, uuid="a", depart=go)
        assert (answer.kind, answer.rule.retry, answer.rule.final) == ("refusal", "after_new_token", "none")
        await client.renew()
        assert (await auth.token()).value.reveal() == "new"
        assert server.requests == 3
        await client.aclose()


async def test_a_token_service_out_of_reach_leaves_every_call_unsent() -> None:
    async def hangs_up(visit: Visit) -> None:
        await visit.request()

    transport = WireTransport()
    async with scripted(hangs_up) as server:
        auth = auth_at(server, transport, [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)])
        with pytest.raises(TokenError, match="RemoteProtocolError") as caught:
            await auth.token()
        assert not caught.value.final
        assert server.requests == 4
        await transport.aclose()
