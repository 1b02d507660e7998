"""What is ours: secrets, buckets and rights, prices, the ledger and its marker, caps, decisions that wait."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from itertools import islice
from typing import Final

from tasks.preflight.lines import Line, fail, looked, ok, warn
from tasks.records.money import from_micros
from tasks.runtime import Runtime
from tasks.settings.secrets import PREFIX
from tasks.storage import Store

_KEYS: Final = ("PSEUDONYM_KEYS", "ACCESS_KEY", "SECRET_KEY", "PASSWORD", "STORE_ACCESS_KEY", "STORE_SECRET_KEY")
_TRIED: Final = b"written by preflight, and deleted again\n"


def house_lines(held: Runtime) -> list[Line]:
    """Return the findings about everything that is ours; nothing is left behind."""
    looks: dict[str, Callable[[], Line]] = {
        "secrets": lambda: _secrets(held),
        "prices": lambda: _prices(held),
        "ledger": lambda: _ledger(held),
        "marker": lambda: _marker(held),
        "halt": lambda: _halt(held),
        "doubts": lambda: _doubts(held),
        "records": lambda: _readable("records", held.records),
        "media": lambda: _readable("media", held.media),
        "results": lambda: _writable("results", held.results),
        "staging": lambda: _writable("staging", held.staged),
        "quota": lambda: _quota(held),
    }
    return [looked(name, look) for name, look in looks.items()]


def _secrets(held: Runtime) -> Line:
    held.secrets.pseudonyms()
    token = held.profile.account.auth == "token"
    unused = {"ACCESS_KEY", "SECRET_KEY"} if token else {"PASSWORD"}
    places = {name: held.secrets.place(name) for name in _KEYS if name not in unused}
    missing = [PREFIX + name for name, place in places.items() if not place and not name.startswith("STORE")]
    if missing:
        return fail("secrets", "secrets_missing", names=", ".join(missing))
    told = ", ".join(f"{name}: {place}" for name, place in places.items() if place)
    return ok("secrets", "secrets_from", places=told)


def _prices(held: Runtime) -> Line:
    found = held.prices
    invented = "invented" in found.source.lower() and held.profile.kind == "real"
    say = warn if invented else ok
    return say("prices", "prices_invented" if invented else "prices_are", version=found.version, source=found.source)


def _ledger(held: Runtime) -> Line:
    ledger = held.ledger
    if careless := ledger.careless():
        say = fail if held.profile.kind == "real" else warn
        return say("ledger", "ledger_forgets", settings=", ".join(careless))
    return ok("ledger", "ledger_is", ledger=ledger.ledger_id[:8], calls=f"{ledger.call_count():,}")


def _marker(held: Runtime) -> Line:
    held.check_ledger()
    return ok("marker", "marker_fits")


def _halt(held: Runtime) -> Line:
    why = held.ledger.halted()
    return warn("halt", "halted") if why else ok("halt", "not_halted")


def _doubts(held: Runtime) -> Line:
    waiting = held.ledger.doubts()
    total = from_micros(sum(int(call.price_micros) for call in waiting))
    say = warn if waiting else ok
    return say("doubts", "doubts_are", count=f"{len(waiting):,}", total=total)


def _readable(name: str, store: Store) -> Line:
    """List, and read one byte of the first object that has any."""
    first = next((item for item in islice(store.list(), 100) if item.size), None)
    if first is None:
        return warn(name, "nothing_there", place=store.uri)
    store.get_range(first.key, 0, 0, if_match=first.etag)
    return ok(name, "readable", place=store.uri)


def _writable(name: str, store: Store) -> Line:
    """Write, read back and delete an object of our own."""
    key = f"preflight/{uuid.uuid4().hex}.txt"
    store.put(key, _TRIED, content_type="text/plain")
    try:
        same = store.get(key) == _TRIED
    finally:
        store.delete(key)
    return ok(name, "writable", place=store.uri) if same else fail(name, "other_bytes", place=store.uri)


def _quota(held: Runtime) -> Line:
    limits = held.profile.limits
    rates = ", ".join(f"{family.value} {rate:g}/s" for family, rate in limits.rate_per_s.items())
    throttled = held.ledger.throttled()
    say = warn if limits.headroom_pct == 0 and held.profile.kind == "real" else ok
    now = dt.datetime.now(held.profile.zone)
    return say(
        "quota", "quota_is", rates=rates, headroom=f"{limits.headroom_pct:g}", count=throttled, at=f"{now:%H:%M}"
    )
