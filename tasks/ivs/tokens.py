"""IAM token authentication (reference 3.1): fetched once, cached, renewed early, and once more where the service asks.

The `httpx.Auth` only attaches the token. It never sends a request a second time: each IVS call is a call of its own in
the ledger, so renewing is a separate step (`renew`) that the caller takes between two calls.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tasks.ivs.codes import refusal_rule
from tasks.ivs.errors import TokenError
from tasks.ivs.messages import error_of
from tasks.ivs.signing import utc_now
from tasks.privacy import Secret

RENEW_BEFORE: Final = dt.timedelta(minutes=30)
ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class Token:
    """A user token and when it ends."""

    value: Secret[str]
    expires: dt.datetime


class TokenAuth(httpx.Auth):
    """Attaches ``X-Auth-Token``.

    Args:
        iam_endpoint: for instance ``https://iam.cn-north-4.myhuaweicloud.com``.
        domain: account name.
        user: IAM user.
        password: its password.
        project: project name, which is the region id.
        transport: the transport token calls go over.
        clock: UTC time.
        sleep: waits a number of seconds; injected for tests.
    """

    def __init__(  # what a token is asked with
        self,
        *,
        iam_endpoint: str,
        domain: str,
        user: str,
        password: Secret[str],
        project: str,
        transport: httpx.AsyncBaseTransport,
        clock: Callable[[], dt.datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = f"{iam_endpoint.rstrip('/')}/v3/auth/tokens"
        self._who = (domain, user, project)
        self._password = password
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._token: Token | None = None
        self._turn = asyncio.Lock()
        self.fetched = 0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Attach the token and let the request go, once."""
        request.headers["X-Auth-Token"] = (await self.token()).value.reveal()
        yield request

    async def token(self) -> Token:
        """Return the cached token, or fetch one; callers that come meanwhile wait for the same.

        Raises:
            TokenError: the endpoint gave none.
        """
        async with self._turn:
            if self._token is None or self._clock() >= self._token.expires - RENEW_BEFORE:
                self._token = await self._fetch()
            return self._token

    async def renew(self) -> None:
        """Fetch a new token unless another caller has just done so."""
        before = self._token
        async with self._turn:
            if self._token is before:
                self._token = await self._fetch()

    async def _fetch(self) -> Token:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._ask()
            except TokenError as error:
                if error.final or attempt == ATTEMPTS:
                    raise
            await self._sleep(2.0**attempt / 2)
        raise AssertionError("unreachable")

    async def _ask(self) -> Token:
        request = httpx.Request("POST", self._url, json=self._question(), params={"nocatalog": "true"})
        try:
            response = await self._transport.handle_async_request(request)
            content = await response.aread()
        except httpx.TransportError as error:
            raise TokenError(None, type(error).__name__, final=False) from None
        self.fetched += 1
        if response.status_code != 201 or "X-Subject-Token" not in response.headers:
            raise _refused(response.status_code, content)
        return Token(Secret(response.headers["X-Subject-Token"]), self._expiry(response, content))

    def _question(self) -> dict[str, Any]:
        domain, user, project = self._who
        login = {"name": user, "password": self._password.reveal(), "domain": {"name": domain}}
        identity = {"methods": ["password"], "password": {"user": login}}
        return {"auth": {"identity": identity, "scope": {"project": {"name": project}}}}

    def _expiry(self, response: httpx.Response, content: bytes) -> dt.datetime:
        try:
            text = httpx.Response(response.status_code, content=content).json()["token"]["expires_at"]
            return dt.datetime.fromisoformat(str(text))
        except (ValueError, KeyError, TypeError):
            return self._clock() + dt.timedelta(hours=24)


def _refused(status: int, content: bytes) -> TokenError:
    code = error_of(content)[0]
    rule = refusal_rule(code, status) or refusal_rule(None, status)
    return TokenError(status, code or "", final=rule is None or rule.retry != "backoff")
