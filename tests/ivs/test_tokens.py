"""Tokens: one for all, renewed once, never looped on a refusal; and never a call sent a second time by itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid

import pytest

from tasks.ivs.client import Check, IvsClient
from tasks.ivs.errors import NeverSent, TokenError
from tasks.ivs.tokens import TokenAuth
from tasks.ivs.transport import WireTransport
from tasks.privacy import Personal, Secret
from tasks.records import Operation
from tests.conftest import Twin
from tests.people import fixed


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
    with pytest.raises(NeverSent, match="IAM.0062"):
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
    with pytest.raises(TokenError, match="IAM.0006"):
        await auth.renew()
    assert len(waits) == 5
    await transport.aclose()
