"""The two IVS paths: the gateway's checks, the service's checks, the business result, and every way to fail."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from tasks.simulator.checks import PATHS, Question, RefusedError, answer, effect, look, parse, question
from tasks.simulator.facts import fact
from tasks.simulator.journal import Entry
from tasks.simulator.signature import Received
from tasks.simulator.world import World

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BODY: Final = 12 * 1024 * 1024
_INPUT_KEY: Final = b"simulator journal"
_DICE: Final = random.Random()  # noqa: S311  # latencies
_HTML: Final = b"<html><head><title>Bad Gateway</title></head><body><center><h1>Bad Gateway</h1></center></body></html>"


@dataclass(slots=True)
class Reply:
    """What is to be sent: status, body, headers, and how the connection is treated."""

    status: int
    body: bytes
    code: str = ""
    verdict: str = ""
    billed: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    cut: str = ""


@dataclass(slots=True)
class Exchange:
    """One request being served."""

    request: Received
    family: str
    entry: Entry
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: Question | None = None


class IvsPaths:
    """Serves POST on the two IVS paths as an ASGI application."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        entry = Entry(received_at=self._world.now_us(), family=PATHS[scope["path"]])
        if door := self._world.faults.at_the_door(time.monotonic()):
            await self._reset_early(entry, door, receive, send)
            return
        body, whole = await _body(receive)
        entry.body_at = self._world.now_us()
        exchange = Exchange(_received(scope, body), entry.family, entry)
        self._describe(exchange)
        if not whole:
            entry.client_gone = 1
            await self._world.journal.write(entry)
            return
        reply = await self._reply(exchange)
        await self._finish(exchange, reply, receive, send)

    async def _reset_early(self, entry: Entry, door: dict[str, Any], receive: Receive, send: Send) -> None:
        """Break the connection before the request is read, or in the middle of its body."""
        if "reset_body" in door:
            await receive()
        entry.fault = ",".join(door)
        await self._world.journal.write(entry)
        _transport(send).abort()

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _describe(self, exchange: Exchange) -> None:
        """Fill in what the journal tells of a request before it is judged."""
        request, entry, account = exchange.request, exchange.entry, self._world.account
        entry.account, entry.region = account.domain_id, account.region
        entry.project = request.header("x-project-id") or account.project_id
        entry.enterprise_project = request.header("enterprise-project-id")
        entry.auth = "token" if request.header("x-auth-token") else "aksk"
        with suppress(RefusedError):
            entry.uuid, rows = parse(request.body)
            exchange.asked = question(entry.uuid, exchange.family, rows)
            entry.operation = exchange.asked.operation
            asked = json.dumps([entry.operation, rows], sort_keys=True).encode()
            entry.input = hmac.new(_INPUT_KEY, asked, hashlib.sha256).hexdigest()
        exchange.faults = self._world.faults.hitting(entry.operation, entry.uuid, time.monotonic())
        entry.fault = ",".join(exchange.faults)

    async def _reply(self, exchange: Exchange) -> Reply:
        early = _connection_fault(exchange) or self._gateway(exchange)
        if early is not None:
            return early
        return await self._service(exchange)

    def _gateway(self, exchange: Exchange) -> Reply | None:
        """Body limit, throttling, authentication (reference 8.2); whether throttling comes first is a switch."""
        if len(exchange.request.body) > MOST_BODY or "too_large" in exchange.faults:
            args = exchange.faults.get("too_large", {})
            return _gateway_error("APIG.0201", 413, headers=_retry_after(args))
        checks = [self._throttled, self._unauthenticated]
        for check in checks if self._world.throttle_before_auth else reversed(checks):
            found = check(exchange)
            if found is not None:
                return found
        return None

    def _throttled(self, exchange: Exchange) -> Reply | None:
        if "throttle" in exchange.faults:
            return _gateway_error("APIG.0308", 429, headers=_retry_after(exchange.faults["throttle"]))
        cut = exchange.faults.get("quota_cut", {}).get("limit")
        text = self._world.quota.refuses(exchange.entry.account, exchange.family, time.monotonic(), cut)
        return _gateway_error("APIG.0308", 429, text) if text else None

    def _unauthenticated(self, exchange: Exchange) -> Reply | None:
        request, now = exchange.request, self._world.now()
        token = request.header("x-auth-token")
        if "token_expired" in exchange.faults and token:
            return _gateway_error("APIG.0307", 401)
        if token:
            found = self._world.account.token_problem(token, now)
            return _gateway_error(found[0], 401, found[1]) if found else None
        if not request.header("authorization"):
            return _gateway_error("APIG.0301", 401, "Incorrect IAM authentication information: not found")
        problem = self._world.keys.problem(request, now)
        if problem:
            return _gateway_error("APIG.0301", 401, f"Incorrect IAM authentication information: {problem}")
        return None

    async def _service(self, exchange: Exchange) -> Reply:
        try:
            asked = self._formed(exchange)
            large = len(exchange.request.body) > 100_000
            await (asyncio.to_thread(look, asked) if large else _now(look, asked))
            return self._business(exchange, asked)
        except RefusedError as refused:
            return _ivs_error(refused.code, refused.what)

    def _formed(self, exchange: Exchange) -> Question:
        if not exchange.request.header("content-type").strip():
            raise RefusedError("IVS.0012")
        uuid, rows = parse(exchange.request.body)
        if exchange.family not in self._world.subscribed or "unsubscribed" in exchange.faults:
            raise RefusedError("IVS.0015")
        if self._world.frozen or "frozen" in exchange.faults:
            raise RefusedError("IVS.0014")
        return question(uuid, exchange.family, rows)

    def _business(self, exchange: Exchange, asked: Question) -> Reply:
        found = effect(asked, self._world.today())
        if found == "IVS.0101 once":
            seen = self._world.journal.count("input = ?", (exchange.entry.input,))
            found = "1000" if seen else "IVS.0101"
        if found.startswith("IVS."):
            raise RefusedError(found)
        if found == "504":
            return _gateway_error("APIG.0201", 504)
        code = found if found.isdigit() else "1000"
        return _twisted(_verdict(asked, code), _twists(found, exchange.faults), asked)

    # --- sending -----------------------------------------------------------------------------------------------------

    async def _finish(self, exchange: Exchange, reply: Reply, receive: Receive, send: Send) -> None:
        entry = exchange.entry
        await self._wait(exchange, receive)
        entry.status, entry.code, entry.verdict = reply.status, reply.code, reply.verdict
        if reply.billed:
            entry.billed = 1
            entry.price, entry.package = self._world.bill.charge(entry.family, entry.region, self._world.now_us())
        entry.answered_at = None if reply.cut == "before" else self._world.now_us()
        if reply.cut == "before":
            entry.status = None
        twice = [replace(entry)] if "duplicate" in exchange.faults and reply.billed else []
        await self._world.journal.write(entry, *twice)
        await _send(reply, send, close="close_connection" in exchange.faults)
        if "drop_connection" in exchange.faults:  # the client was not told, and will find it closed
            await asyncio.sleep(0.05)
            _transport(send).close()

    async def _wait(self, exchange: Exchange, receive: Receive) -> None:
        """Take the time that faults ask for; note where the client has gone meanwhile."""
        latency = exchange.faults.get("latency", {})
        seconds = _seconds(latency) + float(exchange.faults.get("late", {}).get("seconds", 0))
        if not seconds:
            return
        gone = asyncio.ensure_future(_gone(receive))
        await asyncio.sleep(seconds)
        exchange.entry.client_gone = int(gone.done())
        gone.cancel()


def _twists(found: str, faults: dict[str, dict[str, Any]]) -> set[str]:
    """Name what happens to an answer on its way: by a test identity or by faults."""
    by_identity = {
        "reset after billing": "reset_after",
        "truncated": "truncated",
        "not json": "not_json",
        "wrong uuid": "wrong_uuid",
    }
    return set(faults) | ({by_identity[found]} if found in by_identity else set())


def _verdict(asked: Question, code: str) -> dict[str, Any]:
    if code == "2999":
        return answer(asked, code, "invalid", "Undocumented verification")
    known = fact(code)
    return answer(asked, code, known.result, known.text)


def _twisted(content: dict[str, Any], twists: set[str], asked: Question) -> Reply:
    """Return the answer as it goes out; it is billed whatever happens to it on its way."""
    row = content["result"]["resp_data"][0]
    _bend(row, twists)
    if "wrong_uuid" in twists:
        content["meta"]["uuid"] = f"not-{asked.uuid}"[:64]
    body = _broken(content, twists)
    cuts = (("reset_after", "before"), ("reset_during", "during"))
    cut = next((cut for name, cut in cuts if name in twists), "")
    code, verdict = str(row["verification_code"]), str(row["verification_result"])
    return Reply(200, body, code, verdict, billed=True, headers=_ids(), cut=cut)


def _bend(row: dict[str, Any], twists: set[str]) -> None:
    if "unknown_code" in twists:
        row |= {"verification_code": 2999, "verification_result": "invalid", "verification_message": "Undocumented"}
    if "similarity_number" in twists and "similarity" in row:
        row["similarity"] = float(row["similarity"])
    if "missing_optional" in twists:
        for name in ("similarity", "idcard_result", "video_result"):
            row.pop(name, None)


def _broken(content: dict[str, Any], twists: set[str]) -> bytes:
    if "not_json" in twists:
        return b"<html>OK</html>"
    if "error_in_200" in twists:
        return orjson.dumps({"error_code": "IVS.0101", "error_msg": "Service inner error."})
    body = orjson.dumps(content)
    return body[: len(body) // 2] if "truncated" in twists else body


def _connection_fault(exchange: Exchange) -> Reply | None:
    faults = exchange.faults
    if "reset_before" in faults:
        return Reply(0, b"", cut="before")
    if "code" in faults:
        return _coded(str(faults["code"].get("code", "IVS.0101")), int(faults["code"].get("status", 0)))
    if "status" in faults:
        status = int(faults["status"].get("status", 502))
        return Reply(status, _HTML, headers={"Content-Type": "text/html", **_retry_after(faults["status"])})
    return None


def _gateway_error(code: str, status: int, text: str = "", headers: dict[str, str] | None = None) -> Reply:
    request_id = secrets.token_hex(16)
    said = {"error_code": code, "error_msg": text or fact(code, status).text, "request_id": request_id}
    return Reply(status, orjson.dumps(said), code, headers={"X-Request-Id": request_id, **(headers or {})})


def _coded(code: str, status: int) -> Reply:
    known = fact(code, status)
    return _gateway_error(code, known.status) if known.family == "gateway" else _ivs_error(code, "")


def _ivs_error(code: str, what: str) -> Reply:
    known = fact(code)
    text = known.text.replace("%s", what or "error")
    if code == "IVS.0011" and what:
        text = f"The request param has wrong format, {what} is invalid."
    said = {"error_code": code, "error_msg": text}
    return Reply(known.status, orjson.dumps(said), code, headers=_ids())


def _ids() -> dict[str, str]:
    return {"X-Request-Id": secrets.token_hex(16)}


def _retry_after(args: dict[str, Any]) -> dict[str, str]:
    return {"Retry-After": str(args["retry_after"])} if "retry_after" in args else {}


def _seconds(latency: dict[str, Any]) -> float:
    """Draw a latency: fixed (`seconds`), even (`low_s`, `high_s`), exponential (`mean_s`) or lognormal (`median_s`)."""
    if "mean_s" in latency:
        return _DICE.expovariate(1 / float(latency["mean_s"]))
    if "median_s" in latency:
        return float(latency["median_s"]) * _DICE.lognormvariate(0, float(latency.get("sigma", 0.5)))
    low = float(latency.get("low_s", latency.get("seconds", 0)))
    return _DICE.uniform(low, max(low, float(latency.get("high_s", low))))


async def _now(work: Callable[[Question], None], asked: Question) -> None:
    work(asked)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> tuple[bytes, bool]:
    """Return the body, and whether it came whole; what lies over the limit is read and dropped."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(pieces), False
        piece = message.get("body", b"")
        size += len(piece)
        if size <= MOST_BODY + 1_000_000:
            pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces), True


def _received(scope: Scope, body: bytes) -> Received:
    headers = tuple((name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in scope["headers"])
    return Received(scope["method"], scope["raw_path"].partition(b"?")[0], scope["query_string"], headers, body)


def _transport(send: Send) -> asyncio.Transport:
    """Return the connection under uvicorn's `send`, to break it as a network would."""
    found: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]  # a bound method of its cycle
    return found


async def _send(reply: Reply, send: Send, *, close: bool) -> None:
    if reply.cut == "before":
        _transport(send).abort()
        return
    headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
    if close:
        headers["Connection"] = "close"
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if reply.cut == "during":
        await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
        await asyncio.sleep(0.05)
        _transport(send).abort()
        return
    await send({"type": "http.response.body", "body": reply.body})
