"""The client, ours in full, against a bare aiohttp loop that sends the same bytes, in turn, in one run.

    python -m tests.bench.bench_wire [calls]

Two loads: 256 calls in flight with answers after 200 ms (the ideal is 1,280 a second), and 64 in flight answered at once.
The answering server is a process of its own. CPU is the client's, per call.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp

from tasks.ivs.client import Body, Check, IvsClient
from tasks.ivs.signing import AkSkAuth
from tasks.ivs.transport import WireTransport
from tasks.privacy import Personal, Secret
from tasks.records import Operation

ROUNDS = 3
LOADS = ((256, 0.2), (64, 0.0))
"""In flight, and seconds until an answer."""

SERVER = """
import asyncio, re, sys
UUID = re.compile(rb'"uuid":"([^"]*)"')
TAIL = b'"},"result":{"count":1,"resp_data":[{"verification_result":"valid","verification_code":1000}]}}'
class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.held = transport, b""
    def data_received(self, data):
        self.held += data
        if not self.held.endswith(b"]}}"):
            return
        body = b'{"meta":{"uuid":"' + UUID.search(self.held)[1] + TAIL
        self.held = b""
        said = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body)
        if float(sys.argv[1]):
            asyncio.get_running_loop().call_later(float(sys.argv[1]), self.transport.write, said)
        else:
            self.transport.write(said)
async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().create_future()
asyncio.run(main())
"""

Send = Callable[[int], Awaitable[None]]


async def paced(count: int, in_flight: int, send: Send) -> tuple[float, float]:
    """Send `count` calls, so many at a time; return calls a second and milliseconds of CPU a call."""
    left = iter(range(count))

    async def caller() -> None:
        for number in left:
            await send(number)

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return count / seconds, 1000 * cpu / count


async def ours(url: str, count: int, in_flight: int) -> tuple[float, float]:
    client = IvsClient(
        endpoint=url, project_id="p", auth=AkSkAuth(Secret("a"), Secret("s")), transport=WireTransport()
    )  # fmt: skip
    body = await asked(client)

    async def depart() -> None:
        return None

    async def send(number: int) -> None:
        answer = await client.call(body, uuid=f"u{number}", depart=depart)
        assert answer.kind == "verdict", answer

    try:
        return await paced(count, in_flight, send)
    finally:
        await client.aclose()


async def bare(url: str, count: int, in_flight: int) -> tuple[float, float]:
    """The same bytes by aiohttp alone: no signing, no hook, no reading of the answer beyond its JSON."""
    client = IvsClient(
        endpoint=url, project_id=None, auth=AkSkAuth(Secret("a"), Secret("s")), transport=WireTransport()
    )
    body = await asked(client)
    content, _ = await body.with_uuid("u")
    headers = {"Content-Type": "application/json", "Authorization": "x" * 200, "X-Sdk-Date": "20260105T083000Z"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send(_number: int) -> None:
            async with session.post(url + body.path, data=content, headers=headers) as answer:
                json.loads(await answer.read())

        return await paced(count, in_flight, send)


async def asked(client: IvsClient) -> Body:
    return await client.encode(Check(Operation.ID2_TEXT, Personal("张三"), Personal("440524188001010014")))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    print(f"{os.cpu_count()} cores, {calls} calls, {ROUNDS} rounds, medians")
    for in_flight, delay_s in LOADS:
        server = subprocess.Popen([sys.executable, "-c", SERVER, str(delay_s)], stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            told(url, calls, in_flight, delay_s)
        finally:
            server.kill()
            server.wait()


def told(url: str, count: int, in_flight: int, delay_s: float) -> None:
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    for _ in range(ROUNDS):
        found["bare"].append(asyncio.run(bare(url, count, in_flight)))
        found["ours"].append(asyncio.run(ours(url, count, in_flight)))
    for kind, pairs in found.items():
        rate, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        ideal = f", {rate * delay_s / in_flight:.1%} of the ideal" if delay_s else ""
        print(f"{in_flight} in flight, {delay_s * 1000:.0f} ms, {kind}: {rate:.0f}/s, {cpu:.2f} ms CPU a call{ideal}")
    ratios = [mine[0] / other[0] for mine, other in zip(found["ours"], found["bare"], strict=True)]
    print(f"  ours / bare: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
