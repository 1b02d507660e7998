"""The verify loop's own way of asking one record, over a real socket, into a real ledger."""

from __future__ import annotations

import datetime as dt
import random
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.ivs.client import IvsClient
from tasks.ivs.signing import AkSkAuth
from tasks.ivs.transport import WireTransport
from tasks.ledger import Claim, Ledger
from tasks.ledger.budget import Cap, month_scope, night_scope, run_scope
from tasks.pricing import load_prices, month_of
from tasks.privacy import Secret
from tasks.quota import Lane, Pacer
from tasks.settings import Limits
from tasks.settings.load import CONFIGS
from tasks.settings.profile import Breaker
from tasks.storage import open_store
from tasks.verify.ask import Asker, ByteRoom
from tasks.verify.gate import Gate
from tasks.verify.progress import Progress

PRICE = 500_000


@dataclass
class Asked:
    """Asks records one by one, and tells what the ledger then says."""

    asker: Asker
    ledger: Ledger
    places: int = field(default=0)
    known_us: int = 0

    async def one(self) -> str:
        """Ask one more record; return its reference."""
        self.places += 1
        ref = f"R{self.places}"
        self.asker.gate = Gate(Breaker(in_a_row=1_000, in_a_run=1_000), tell=_tell)
        media = {
            f"{kind}_{part}": "" for kind in ("card_front", "card_back", "face", "video") for part in ("key", "etag")
        }
        row: dict[str, Any] = media | {
            "record_ref": ref, "question": f"q{self.places}", "subject": "s", "key_id": "k", "operation": "id2_text",
            "family": "two_factor", "name": "张三", "id_number": "440524188001010014", "actions": "", "detail": False,
            "cost_centre": "", "org_code": "", "bytes": 100, "known_us": self.known_us,
        }  # fmt: skip
        await self.asker.ask(row, 0)
        return ref

    def calls(self, ref: str) -> list[tuple[str, str, str, int, int]]:
        """Return a record's calls: state, answer, charge, open, money."""
        return [
            (call.state, call.answer, call.charge, call.open, call.price_micros)
            for call in self.ledger.calls_of("r1", [ref])
        ]

    def booked(self) -> tuple[int, int, int]:
        """Return what the run has booked: certain, possible, calls."""
        scope = self.ledger.booked(run_scope("r1"))
        assert scope is not None
        return scope.certain_micros, scope.possible_micros, scope.calls


async def _tell(_reason: str) -> None:
    """Tell nobody: each record has a run of its own here."""


@asynccontextmanager
async def asking(
    url: str,
    folder: Path,
    *,
    tls: ssl.SSLContext | None = None,
    read_s: float = 20,
    connect_s: float = 20,
    attempts: int = 1,
) -> AsyncIterator[Asked]:
    ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite", bound_to={"endpoint": "loopback", "project": "p"})
    date = dt.date(2026, 11, 24)
    ledger.claim(Claim("r1", "test", "s", date, 1, "h" * 64, "{}", 1, "planned", 1))
    scopes = (run_scope("r1"), night_scope("n"), month_scope("n", month_of(ledger.clock_us())))
    epoch = ledger.take("r1", [Cap(scope, 10**12) for scope in scopes])
    transport = WireTransport(tls=tls)
    client = IvsClient(
        endpoint=url,
        project_id="p",
        auth=AkSkAuth(Secret("a"), Secret("s")),
        transport=transport,
        connect_timeout_s=connect_s,
        read_timeout_s=read_s,
    )
    media = folder / "media"
    media.mkdir(exist_ok=True)
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex  # noqa: E731
    asker = Asker(
        run_id="r1",
        epoch=epoch,
        night="n",
        client=client,
        ledger=ledger,
        media_store=open_store(str(media), _storage(), None),  # type: ignore[arg-type]
        pacers={"two_factor": Pacer(Lane("l", 10_000.0), ledger)},
        prices=load_prices(CONFIGS / "prices" / "invented.toml", date),
        limits=Limits(attempts=attempts, backoff_s=0.01, backoff_most_s=0.02, throttled_most_s=1, retry_for_s=30),
        gate=Gate(Breaker(), tell=_tell),
        progress=Progress(total=1),
        month_of=month_of,
        room=ByteRoom(16, 10**9),
        wait_for_others_s=60,
        rng=random.Random(1),
        new_id=new_id,
    )
    try:
        yield Asked(asker, ledger)
    finally:
        await client.aclose()
        ledger.close()


def _storage() -> Any:
    from tasks.settings.profile import Storage

    return Storage()
