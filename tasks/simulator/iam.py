"""IAM as IVS users need it: tokens, temporary keys, projects, domains (reference 3.1)."""

from __future__ import annotations

import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tasks.simulator.account import iso
from tasks.simulator.facts import fact
from tasks.simulator.signature import Key, Received
from tasks.simulator.world import World

TEMPORARY_S = 24 * 3600


def iam_routes(world: World) -> list[Route]:
    """Return the IAM routes of a world."""

    async def tokens(request: Request) -> Response:
        identity, scope = await _login(request)
        return _told_to_fail(world) or _token_problem(world, identity, scope) or _token(world)

    async def temporary(request: Request) -> Response:
        token = request.headers.get("X-Auth-Token", "")
        if not token or world.account.token_problem(token, world.now()):
            return _error(401, "IAM.0067", "Invalid token.")
        access, secret, security = secrets.token_hex(10).upper(), secrets.token_urlsafe(30), secrets.token_urlsafe(60)
        ends = world.now() + TEMPORARY_S
        world.keys.keys[access] = Key(secret, security, ends)
        credential = {"access": access, "secret": secret, "securitytoken": security, "expires_at": iso(ends)}
        return JSONResponse({"credential": credential}, 201)

    async def projects(request: Request) -> Response:
        if problem := await _refused(world, request):
            return problem
        name = request.query_params.get("name", world.account.region)
        found = [_project(world)] if name == world.account.region else []
        return JSONResponse({"projects": found, "links": {"self": str(request.url)}})

    async def domains(request: Request) -> Response:
        if problem := await _refused(world, request):
            return problem
        return JSONResponse({"domains": [_domain(world)], "links": {"self": str(request.url)}})

    return [
        Route("/v3/auth/tokens", tokens, methods=["POST"]),
        Route("/v3.0/OS-CREDENTIAL/securitytokens", temporary, methods=["POST"]),
        Route("/v3/projects", projects, methods=["GET"]),
        Route("/v3/auth/domains", domains, methods=["GET"]),
    ]


def _told_to_fail(world: World) -> Response | None:
    hit = world.faults.hitting("iam_token", "", time.monotonic()).get("code")
    if hit is None:
        return None
    known = fact(str(hit["code"]), int(hit.get("status", 0)))
    return _error(known.status, known.code, known.text)


def _token_problem(world: World, identity: dict[str, Any] | None, scope: dict[str, Any]) -> Response | None:
    account = world.account
    user = identity.get("password", {}).get("user") if identity else None
    if not isinstance(user, dict):
        return _error(400, "IAM.0011", "Request parameters are invalid.")
    if (user.get("name"), user.get("domain", {}).get("name")) != (account.user, account.domain):
        return _error(401, "IAM.0001", "The request you have made requires authentication.")
    if user.get("password") != account.password:
        return _error(401, "IAM.0062", "Incorrect password.")
    project = scope.get("project", {})
    if project.get("name") != account.region and project.get("id") != account.project_id:
        return _error(400, "IAM.1109", "The project information cannot be found.")
    return None


def _token(world: World) -> Response:
    token, ends = world.account.issue_token(world.now(), world.account.region, world.iam_region)
    said = {
        "expires_at": iso(ends),
        "issued_at": iso(world.now()),
        "methods": ["password"],
        "project": _project(world),
        "user": {"name": world.account.user, "id": secrets.token_hex(16), "domain": _domain(world)},
        "roles": [{"id": "0", "name": "ivs_fullaccess"}],
    }
    return JSONResponse({"token": said}, 201, headers={"X-Subject-Token": token})


async def signed(request: Request) -> Received:
    """Return a starlette request as the signature check wants it."""
    headers = tuple((name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in request.headers.raw)
    raw_path = request.scope["raw_path"].partition(b"?")[0]
    return Received(request.method, raw_path, request.scope["query_string"], headers, await request.body())


async def _refused(world: World, request: Request) -> Response | None:
    token = request.headers.get("X-Auth-Token")
    if token:
        found = world.account.token_problem(token, world.now())
        return _error(401, "IAM.0067", "Invalid token.") if found else None
    problem = world.keys.problem(await signed(request), world.now())
    return _error(401, "IAM.0001", "The request you have made requires authentication.") if problem else None


async def _login(request: Request) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    try:
        auth = (await request.json())["auth"]
        return auth["identity"], auth.get("scope", {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, {}


def _project(world: World) -> dict[str, Any]:
    account = world.account
    return {"id": account.project_id, "name": account.region, "domain_id": account.domain_id, "enabled": True}


def _domain(world: World) -> dict[str, Any]:
    return {"id": world.account.domain_id, "name": world.account.domain, "enabled": True}


def _error(status: int, code: str, text: str) -> Response:
    return JSONResponse({"error_code": code, "error_msg": text}, status)
