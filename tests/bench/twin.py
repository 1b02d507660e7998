"""The provider's twin against a bare route on the same server software, in turn, in one run.

    python -m tests.bench.twin [requests]

Each serves signed `id2_text` requests to one client; the server's own CPU time tells how many a core could serve.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from tasks.ivs.signing import authorization
from tasks.local import process
from tasks.privacy import Secret
from tests.people import fixed

BARE = """
import asyncio, socket, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def answer(request):
    await request.body()
    return JSONResponse({"ok": True})
app = Starlette(routes=[Route("/v2.0/ivs-idcard-extention", answer, methods=["POST"])])
held = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
held.bind(("127.0.0.1", 0))
print('{"ivs": "http://127.0.0.1:%d"}' % held.getsockname()[1], flush=True)
server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
asyncio.run(server.serve(sockets=[held]))
"""


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(url: str, access: Secret[str], secret: Secret[str], count: int) -> float:
    """Send `count` requests, 32 at a time, signed beforehand; return seconds."""
    name, number = fixed("1000")
    row = {"verification_name": name, "verification_id": number}
    body = json.dumps({"meta": {"uuid": "u"}, "data": {"req_data": [row]}}).encode()
    host = url.removeprefix("http://")
    headers = {"Content-Type": "application/json", "Host": host}
    headers["X-Sdk-Date"] = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers["Authorization"] = authorization(
        access.reveal(), secret.reveal(), method="POST", path="/v2.0/ivs-idcard-extention", query=[],
        headers=list(headers.items()), payload_hash=hashlib.sha256(body).hexdigest(),
    )  # fmt: skip
    left = iter(range(count))

    async def caller(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(f"{url}/v2.0/ivs-idcard-extention", data=body, headers=headers) as answer:
                await answer.read()
                assert answer.status == 200, answer.status

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(caller(session) for _ in range(32)))
        return time.perf_counter() - began


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c.toml").write_text("[[quota]]\nlimit = 10000000\nburst = 10000000\n", encoding="utf-8")
        twin = ["-m", "tasks.simulator", "--home", str(folder / "h"), "--config", str(folder / "c.toml")]
        children = {}
        for kind, words in (("twin", twin), ("bare", ["-c", BARE])):
            children[kind] = process.start(
                [sys.executable, *words], log=folder / "log", environment=dict(os.environ), output=subprocess.PIPE
            )
        try:
            told(children, count)
        finally:
            for child in children.values():
                process.stop(child)


def told(children: dict[str, subprocess.Popen[bytes]], count: int) -> None:
    ready = {}
    for kind, child in children.items():
        assert child.stdout is not None
        ready[kind] = json.loads(child.stdout.readline())
    access, secret = Secret(ready["twin"]["access_key"]), Secret(ready["twin"]["secret_key"])
    per_core: dict[str, list[float]] = {"twin": [], "bare": []}
    wall: dict[str, list[float]] = {"twin": [], "bare": []}
    for _ in range(5):
        for kind, child in children.items():
            before = cpu_s(child.pid)
            seconds = asyncio.run(load(ready[kind]["ivs"], access, secret, count))
            per_core[kind].append(count / max(cpu_s(child.pid) - before, 0.01))
            wall[kind].append(count / seconds)
    for kind in children:
        core, seen = statistics.median(per_core[kind]), statistics.median(wall[kind])
        print(f"{kind}: {core:.0f} requests per core second, {seen:.0f}/s seen beside the client")
    ratios = [twin / bare for twin, bare in zip(per_core["twin"], per_core["bare"], strict=True)]
    print(
        f"ratio twin/bare, pair by pair: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
