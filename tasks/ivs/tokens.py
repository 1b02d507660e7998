"""IAM token authentication (reference 3.1): fetched once, cached, renewed early, and once more where the service asks.

The `httpx.Auth` only attaches the token. It never sends a request a second time: each IVS call is a call of its own in
the ledger, so renewing is a separate step (`renew`) that the caller takes between two calls. A refusal for good (wrong
password, locked user) is remembered, and the endpoint not asked again: repeating it is what locks a user out.
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
SHORTEST: Final = dt.timedelta(minutes=1)
"""A token is used at least this long, whatever its end and the two clocks say."""
ATTEMPTS: Final = 4
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Token:
    """A user token, when it ends, and from when on a new one is fetched."""

    value: Secret[str]
    expires: dt.datetime
    renew_at: dt.datetime


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
        self._refused_for_good: TokenError | None = None
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
            if self._token is None or self._clock() >= self._token.renew_at:
                self._token = await self._fetch()
            return self._token

    def refused(self, value: str) -> None:
        """Drop the token a call was refused with, unless it has been replaced meanwhile."""
        if self._token is not None and self._token.value.reveal() == value:
            self._token = None

    async def renew(self) -> None:
        """Have a token that was not refused: however many callers ask, a refused one is replaced once.

        Raises:
            TokenError: the endpoint gave none.
        """
        await self.token()

    async def _fetch(self) -> Token:
        if self._refused_for_good is not None:
            raise self._refused_for_good
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._ask()
            except TokenError as error:
                if error.final:
                    self._refused_for_good = error
                if error.final or attempt == ATTEMPTS:
                    raise
            await self._sleep(2.0**attempt / 2)

    async def _ask(self) -> Token:
        try:
            async with self._client() as client:
                response = await client.post(self._url, json=self._question(), params={"nocatalog": "true"})
        except httpx.RequestError as error:
            raise TokenError(None, type(error).__name__, final=False) from None
        self.fetched += 1
        if response.status_code != 201 or "X-Subject-Token" not in response.headers:
            raise _refusal(response)
        now, expires = self._clock(), _expiry(response)
        expires = expires or now + dt.timedelta(hours=24)
        life = expires - now
        renew_at = now + max(life - RENEW_BEFORE, life / 2, SHORTEST)
        return Token(Secret(response.headers["X-Subject-Token"]), expires, renew_at)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=_Shared(self._transport),
            headers={"User-Agent": "ivs-backfill"},
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def _question(self) -> dict[str, Any]:
        domain, user, project = self._who
        login = {"name": user, "password": self._password.reveal(), "domain": {"name": domain}}
        identity = {"methods": ["password"], "password": {"user": login}}
        return {"auth": {"identity": identity, "scope": {"project": {"name": project}}}}


class _Shared(httpx.AsyncBaseTransport):
    """A transport that others use too, and that stays open."""

    def __init__(self, of: httpx.AsyncBaseTransport) -> None:
        self._of = of

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._of.handle_async_request(request)


def _expiry(response: httpx.Response) -> dt.datetime | None:
    try:
        end = dt.datetime.fromisoformat(str(response.json()["token"]["expires_at"]))
    except (ValueError, KeyError, TypeError):
        return None
    return end if end.tzinfo else end.replace(tzinfo=dt.UTC)


def _refusal(response: httpx.Response) -> TokenError:
    status, code = response.status_code, error_of(response.content)[0]
    rule = refusal_rule(code, status) or refusal_rule(None, status)
    again = rule is not None and rule.retry in {"backoff", "if_retry_after"}
    return TokenError(status, code or "", final=not again and 300 <= status < 500)
