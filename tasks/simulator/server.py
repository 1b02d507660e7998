"""One process on loopback: routes to their parts, a ready line, and an end within a second of SIGTERM."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tasks.simulator.checks import PATHS
from tasks.simulator.control import control_routes
from tasks.simulator.iam import iam_routes
from tasks.simulator.ivs import IvsPaths, Receive, Scope, Send
from tasks.simulator.usage import usage_routes
from tasks.simulator.world import World


class Simulator:
    """The whole simulator as an ASGI application."""

    def __init__(self, world: World) -> None:
        self._ivs = IvsPaths(world)
        routes = [*iam_routes(world), *usage_routes(world), *control_routes(world)]
        everything_else = Route("/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
        self._rest = Starlette(routes=[*routes, everything_else])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve IVS itself, and hand all else to the other parts."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in PATHS:
            await self._ivs(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def serve(*, port: int, home: Path, config: Path | None = None, certificate: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT; print the ready line when requests are answered.

    Args:
        port: 0 for a free one.
        home: where account and journal are kept.
        config: a TOML file with the objects of the control routes.
        certificate: a PEM file with key and certificate; then the simulator speaks TLS.
    """
    world = World.of(home, config)
    listening = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # so that asyncio sets TCP_NODELAY
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    scheme = "https" if certificate else "http"
    base = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
    settings: dict[str, Any] = (
        {"ssl_certfile": str(certificate), "ssl_keyfile": str(certificate)} if certificate else {}
    )
    server = _Server(
        uvicorn.Config(
            Simulator(world),
            log_level="critical",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            backlog=2048,
            **settings,
        ),
        world.announcement(base),
    )
    try:
        asyncio.run(server.serve(sockets=[listening]))
    finally:
        world.journal.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        sys.stdout.write(self._ready + "\n")
        sys.stdout.flush()


async def _unknown(_request: Request) -> Response:
    request_id = secrets.token_hex(16)
    said = {"error_code": "APIG.0101", "error_msg": "The API does not exist.", "request_id": request_id}
    return JSONResponse(said, 404, headers={"X-Request-Id": request_id})
