"""The control routes: look at the simulator, and set faults, quota, account and clock."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tasks.simulator.faults import parsed
from tasks.simulator.world import World


def control_routes(world: World) -> list[Route]:
    """Return the control routes of a world, below ``/control``."""

    async def state(_request: Request) -> Response:
        return JSONResponse(world.state())

    def faults(wanted: Any) -> None:
        world.faults.replace([parsed(item) for item in wanted], time.monotonic())

    def clock(wanted: Any) -> None:
        world.offset_s = float(wanted.get("offset_s", world.offset_s))
        if "business_date" in wanted:
            world.business_date = dt.date.fromisoformat(wanted["business_date"]) if wanted["business_date"] else None

    async def reset(_request: Request) -> Response:
        world.reset()
        return JSONResponse(world.state())

    return [
        Route("/control/state", state, methods=["GET"]),
        Route("/control/faults", _setter(world, faults), methods=["PUT"]),
        Route("/control/quota", _setter(world, world.set_quota), methods=["PUT"]),
        Route("/control/account", _setter(world, world.set_account), methods=["PUT"]),
        Route("/control/clock", _setter(world, clock), methods=["PUT"]),
        Route("/control/reset", reset, methods=["POST"]),
    ]


def _setter(world: World, apply: Callable[[Any], None]) -> Callable[[Request], Awaitable[Response]]:
    async def put(request: Request) -> Response:
        try:
            apply(json.loads(await request.body()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse(world.state())

    return put
