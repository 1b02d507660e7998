"""The account: signature, subscription, clock. Asked with bodies that the provider refuses before it bills.

A request whose `req_data` is one empty object passes authentication and subscription and is then refused for its
missing fields with a 400; only answers with a 200 are billed (reference 2.1, 6). Each takes a slot of the quota.
"""

from __future__ import annotations

import email.utils
import time
import uuid
from typing import Final

import httpx

from tasks.ivs.client import Answer, Body, IvsClient
from tasks.ivs.errors import NeverSent, TokenError
from tasks.preflight.lines import Line, fail, ok, warn
from tasks.quota import Pacer
from tasks.records import Family, Operation
from tasks.runtime import Runtime

MOST_SKEW_S: Final = 60.0
"""A signature is refused 15 minutes off; long before that the window and the business date are wrong."""
_EMPTY: Final = {
    Family.TWO_FACTOR: Body(Operation.ID2_TEXT, b"{}"),
    Family.THREE_FACTOR: Body(Operation.ID3_TEXT_FACE, b"{}"),
}
_REFUSED_AS_HOPED: Final = {"IVS.0003", "IVS.0011"}


async def account_lines(held: Runtime) -> list[Line]:
    """Return the findings about the account; nothing is billed."""
    try:
        client, pacers = held.client(), held.pacers()
    except Exception as error:  # noqa: BLE001  # no key, no ledger: told as a finding
        return [fail("account_two_factor", "unreached", error=f"{type(error).__name__}: {error}")]
    try:
        families = [await _family(client, family, pacers[family.value]) for family in held.profile.limits.rate_per_s]
    finally:
        await client.aclose()
    return [*families, await _clock(held)]


async def _family(client: IvsClient, family: Family, pacer: Pacer) -> Line:
    name = f"account_{family.value}"
    slot = await pacer.slot()

    async def depart() -> None:
        await pacer.moment(slot)

    try:
        answer = await client.call(_EMPTY[family], uuid=uuid.uuid4().hex, depart=depart)
    except (NeverSent, TokenError) as error:
        return fail(name, "unreached", error=f"{type(error).__name__}: {error}")
    return judged(name, answer)


def judged(name: str, answer: Answer) -> Line:
    """Return the finding for the answer to an empty question."""
    code = answer.code or str(answer.status or "-")
    if answer.charge != "none":
        return fail(name, "perhaps_billed", code=code)
    if answer.code in _REFUSED_AS_HOPED:
        return ok(name, "signature_and_subscription", code=code)
    if answer.code == "IVS.0015":
        return fail(name, "not_subscribed", code=code)
    if answer.code == "IVS.0014":
        return fail(name, "frozen", code=code)
    if answer.status in {401, 403}:
        return fail(name, "not_signed_in", code=code)
    return warn(name, "refused_otherwise", code=code)


async def _clock(held: Runtime) -> Line:
    """Compare this machine's clock with the provider's, by the date of any answer."""
    account = held.profile.account
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=account.connect_timeout_s) as plain:
            said = (await plain.get(account.endpoint)).headers.get("date", "")
        skew = time.time() - email.utils.parsedate_to_datetime(said).timestamp()
    except (httpx.HTTPError, ValueError):
        return warn("clock", "no_clock")
    say = ok if abs(skew) <= MOST_SKEW_S else fail
    return say("clock", "skew", seconds=f"{skew:+.0f}")
