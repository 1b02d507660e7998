"""The wire at many calls in flight: our client against bare aiohttp, in turn, in one run, on the same local server.

    python -m tests.bench.wire [seconds a round]

Prints calls a second at 64 in flight with answers at once, and at 256 in flight with answers after 200 ms (ideal 1,280/s).
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp

from tasks.ivs.client import Check, IvsClient
from tasks.ivs.signing import AkSkAuth
from tasks.ivs.transport import WireTransport
from tasks.privacy import Personal, Secret
from tasks.records import Operation
from tests.people import fixed
from tests.wire.scripted import Visit, scripted

ROW = {"verification_result": "valid", "verification_message": "m", "verification_code": 1000}
ANSWER = json.dumps({"meta": {"uuid": "u"}, "result": {"count": 1, "resp_data": [ROW]}}).encode()
Call = Callable[[], Awaitable[object]]


async def rate(call: Call, in_flight: int, seconds: float) -> float:
    """Return the calls a second that `in_flight` callers make."""
    done = 0
    until = time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await call()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return done / (time.perf_counter() - began)


async def measure(in_flight: int, delay_s: float, seconds: float) -> tuple[float, float]:
    """Return the medians of our client's rate and of bare aiohttp's, taken in turn."""

    async def play(visit: Visit) -> None:
        while True:
            await visit.request()
            visit.received.clear()
            await asyncio.sleep(delay_s)
            await visit.answer(200, ANSWER)

    async def depart() -> None:
        return None

    async with scripted(play) as server, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        auth = AkSkAuth(Secret("a"), Secret("s"))
        client = IvsClient(endpoint=server.url, project_id="p", auth=auth, transport=WireTransport())
        body = await client.encode(Check(Operation.ID2_TEXT, *map(Personal, fixed("1000"))))
        content = (await body.with_uuid("u"))[0]

        async def ours() -> None:
            assert (await client.call(body, uuid="u", depart=depart)).kind == "verdict"

        async def bare() -> None:
            async with session.post(f"{server.url}/v2.0/ivs-idcard-extention", data=content) as answer:
                await answer.read()

        seen: dict[Call, list[float]] = {ours: [], bare: []}
        for _ in range(3):
            for call, rates in seen.items():
                rates.append(await rate(call, in_flight, seconds))
        await client.aclose()
    return statistics.median(seen[ours]), statistics.median(seen[bare])


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    for in_flight, delay_s in ((64, 0.0), (256, 0.2)):
        ours, bare = asyncio.run(measure(in_flight, delay_s, seconds))
        ideal = f", ideal {in_flight / delay_s:.0f}/s" if delay_s else ""
        print(
            f"{in_flight} in flight, {delay_s * 1000:.0f} ms: {ours:.0f}/s, bare aiohttp {bare:.0f}/s, ratio {ours / bare:.2f}{ideal}"
        )


if __name__ == "__main__":
    main()
