"""A night neither stops nor slows for a Prefect that does not hear, nor for a lease that Prefect could not renew."""

from __future__ import annotations

import asyncio
import time

import anyio
import httpx

from flows.telling import key_of, to_its_end, told


async def test_what_is_not_heard_is_let_go_and_within_its_time() -> None:
    async def away() -> int:
        raise httpx.ConnectError("refused")

    began = time.monotonic()
    assert await told(away(), quiet=True) is None
    assert await told(asyncio.sleep(60), 0.05, quiet=True) is None
    assert time.monotonic() - began < 30


async def test_a_cancelled_flow_still_verifies_to_its_end() -> None:
    asked: list[int] = []
    with anyio.CancelScope() as lease:
        with to_its_end():
            for call in range(5):
                await asyncio.sleep(0.01)
                asked.append(call)
                lease.cancel()
        await asyncio.sleep(60)
    assert asked == [0, 1, 2, 3, 4]


def test_keys_are_stable_and_fit_prefect() -> None:
    assert key_of("results", "nightly_kyc-2") == "results-nightly-kyc-2"
