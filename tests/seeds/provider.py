"""A provider in a few lines: what it answers, what it bills, and how the way to it breaks; all by dice.

It stands where the wire stands: an httpx transport with the same contract as `tasks.ivs.transport` (``depart`` awaited
just before the first byte, ``wire`` told the facts). Its own bill is kept apart from everything the client knows.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

KINDS = (
    "unreached", "lost_before", "lost_after", "slow", "late", "throttled", "busy", "busy_unknown", "gateway_late",
    "bad_gateway", "cut", "cut_head", "not_json", "error_inside", "media_bad", "odd_code", "old_token",
)  # fmt: skip
FATAL = ("anothers_uuid", "frozen")
"""What stops a whole run, and so is thrown rarely."""
VERDICTS = (1000, 1000, 1000, 1000, 2001, 3001, 2006, 7777)


@dataclass(slots=True)
class Request:
    """One request as the provider saw it."""

    uuid: str
    question: str
    at_us: int
    billed: bool
    fate: str


@dataclass
class Provider:
    """The other side, for all lives of a seed."""

    dice: Random
    clock_us: Callable[[], int]
    weights: dict[str, float]
    token_life_s: float = 86_400.0
    calm: bool = False
    requests: list[Request] = field(default_factory=list)
    unreached: int = 0
    tokens: int = 0
    issued: dict[str, int] = field(default_factory=dict)

    def fate(self) -> str:
        """Throw the dice for one request."""
        if self.calm:
            return "verdict"
        kinds = [*self.weights, "verdict"]
        rest = max(1.0 - sum(self.weights.values()), 0.0)
        return self.dice.choices(kinds, [*self.weights.values(), rest])[0]

    def came(self, request: httpx.Request, fate: str) -> Request:
        """Keep a request that arrived; where no whole answer will tell, the dice say whether it is billed."""
        body = json.loads(request.content)
        question = hashlib.sha256(json.dumps(body["data"], sort_keys=True).encode()).hexdigest()
        seen = Request(body["meta"]["uuid"], question, self.clock_us(), self._billed(fate), fate)
        self.requests.append(seen)
        return seen

    def _billed(self, fate: str) -> bool:
        if fate in {"verdict", "slow", "cut", "cut_head", "not_json", "error_inside", "odd_code", "anothers_uuid"}:
            return True
        if fate in {"lost_after", "late", "busy_unknown", "gateway_late"}:
            return self.dice.random() < 0.5
        return False

    def verdict(self, seen: Request) -> dict[str, Any]:
        """Return what it says about a question: always the same."""
        code = VERDICTS[int(seen.question[:8], 16) % len(VERDICTS)]
        row = {"verification_result": "valid" if code == 1000 else "invalid", "verification_code": code}
        return {"meta": {"uuid": seen.uuid}, "result": {"count": 1, "resp_data": [row]}}

    def token(self) -> tuple[str, str]:
        """Sign a caller in."""
        self.tokens += 1
        name = f"t{self.tokens}"
        ends_us = self.clock_us() + round(self.token_life_s * 1_000_000)
        self.issued[name] = ends_us
        return name, dt.datetime.fromtimestamp(ends_us / 1_000_000, tz=dt.UTC).isoformat()

    def knows(self, token: str | None) -> bool:
        """Tell whether a token still holds; calls signed by key have none."""
        return token is None or self.issued.get(token, 0) > self.clock_us()


class FakeWire(httpx.AsyncBaseTransport):
    """The way from one life to the provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/auth/tokens"):
            return await self._sign_in()
        provider, dice = self._provider, self._provider.dice
        wire = request.extensions["wire"]
        fate = provider.fate()
        await asyncio.sleep(dice.expovariate(500))
        if fate == "unreached":
            provider.unreached += 1
            raise httpx.ConnectError("never sent", request=request)
        await request.extensions["depart"]()
        wire.began = True
        if fate == "lost_before":
            raise httpx.ReadError("connection lost", request=request)
        await asyncio.sleep(dice.expovariate(2_000))
        if fate not in {"lost_after", "late"} and not provider.knows(request.headers.get("X-Auth-Token")):
            fate = "old_token"
        seen = provider.came(request, fate)
        return await self._answer(seen, request, request.extensions["timeout"]["read"])

    async def _answer(self, seen: Request, request: httpx.Request, read_s: float) -> httpx.Response:
        dice, wire = self._provider.dice, request.extensions["wire"]
        if seen.fate == "late":
            await asyncio.sleep(read_s)
            raise httpx.ReadTimeout("no answer in time", request=request)
        await asyncio.sleep(dice.uniform(1, read_s * 0.9) if seen.fate == "slow" else dice.uniform(0.01, 0.6))
        if seen.fate == "lost_after":
            raise httpx.RemoteProtocolError("answer broken off", request=request)
        status, content, headers = self._said(seen)
        wire.status = status
        if seen.fate == "cut_head":
            raise httpx.RemoteProtocolError("answer broken off", request=request)
        if seen.fate == "cut":
            return httpx.Response(status, stream=_Cut(content[:30], request))
        return httpx.Response(status, content=content, headers=headers)

    def _said(self, seen: Request) -> tuple[int, bytes, dict[str, str]]:
        dice = self._provider.dice
        if seen.fate == "throttled":
            after = {"Retry-After": str(dice.randint(0, 3))} if dice.random() < 0.5 else {}
            return 429, _error("APIG.0308", "ratelimit,limit:2,time:1 second"), after
        refusals = {
            "busy": (500, "IVS.0101"), "busy_unknown": (500, "IVS.9999"), "gateway_late": (504, "APIG.0203"),
            "bad_gateway": (502, "APIG.0202"), "media_bad": (400, "IVS.0005"), "frozen": (403, "APIG.0802"),
            "old_token": (401, "APIG.0301"),
        }  # fmt: skip
        if seen.fate in refusals:
            status, code = refusals[seen.fate]
            return status, _error(code, "x"), {}
        said = self._provider.verdict(seen)
        if seen.fate == "anothers_uuid":
            said["meta"]["uuid"] = "another"
        if seen.fate == "odd_code":
            said["result"]["resp_data"][0]["verification_code"] = 4242
        content = json.dumps(said).encode()
        wrong = {"not_json": b"<html>", "error_inside": _error("IVS.0101", "x")}
        return 200, wrong.get(seen.fate, content), {"X-Request-Id": f"r{len(self._provider.requests)}"}

    async def _sign_in(self) -> httpx.Response:
        await asyncio.sleep(self._provider.dice.uniform(0.01, 0.3))
        if not self._provider.calm and self._provider.dice.random() < 0.05:
            return httpx.Response(503, content=b"busy")
        name, ends = self._provider.token()
        return httpx.Response(201, json={"token": {"expires_at": ends}}, headers={"X-Subject-Token": name})


class _Cut(httpx.AsyncByteStream):
    def __init__(self, piece: bytes, request: httpx.Request) -> None:
        self._piece, self._request = piece, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._piece
        raise httpx.RemoteProtocolError("answer broken off", request=self._request)


def _error(code: str, message: str) -> bytes:
    return json.dumps({"error_code": code, "error_msg": message}).encode()
