"""What one simulator is: account, clock, quota, faults, bill, journal; set by a file and by the control routes."""

from __future__ import annotations

import datetime as dt
import json
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tasks.simulator.account import Account
from tasks.simulator.billing import Bill
from tasks.simulator.faults import Faults, parsed
from tasks.simulator.journal import Journal
from tasks.simulator.quota import Limit, Quota
from tasks.simulator.signature import KeyRing

CHINA = ZoneInfo("Asia/Shanghai")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class World:
    """The state behind all routes."""

    account: Account
    journal: Journal
    bill: Bill
    keys: KeyRing
    quota: Quota = field(default_factory=Quota)
    faults: Faults = field(default_factory=Faults)
    frozen: bool = False
    subscribed: set[str] = field(default_factory=lambda: {"two_factor", "three_factor"})
    offset_s: float = 0.0
    lag_s: float = 0.0
    throttle_before_auth: bool = True
    business_date: dt.date | None = None
    iam_region: str = "global"

    @classmethod
    def of(cls, home: Path, config: Path | None) -> World:
        """Return the world of a home, as its journal left it and its config file wants it."""
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = tomllib.loads(config.read_text(encoding="utf-8")) if config else {}
        account = Account.of(home, settings.get("region", "cn-north-4"))
        prices = settings.get("price_file")
        world = cls(account, Journal(home / "journal.sqlite"), Bill.of(_price_file(prices)), account.keys())
        for row in world.journal.rows("billed = 1"):
            world.bill.remember(row["family"], row["answered_at"] or row["received_at"], row["package"])
        world.configure(settings)
        return world

    def configure(self, settings: dict[str, Any]) -> None:
        """Apply the objects of the control routes."""
        for limit in settings.get("quota", []):
            self.set_quota(limit)
        if "faults" in settings:
            self.faults.replace([parsed(item) for item in settings["faults"]], time.monotonic())
        self.set_account(settings.get("account", {}))
        self.offset_s = float(settings.get("clock", {}).get("offset_s", self.offset_s))
        self.lag_s = float(settings.get("bill_lag_s", self.lag_s))
        self.quota.refused_use_quota = bool(settings.get("refused_use_quota", False))
        self.iam_region = str(settings.get("iam_region", "global"))
        self.throttle_before_auth = bool(settings.get("throttle_before_auth", True))

    def set_quota(self, wanted: dict[str, Any]) -> None:
        """Set a family's quota: ``{family, limit, window_s, burst}``."""
        limit = int(wanted["limit"])
        window_s = float(wanted.get("window_s", 1.0))
        burst = int(wanted.get("burst", max(1, round(limit / window_s))))
        families = [wanted["family"]] if "family" in wanted else ["two_factor", "three_factor"]
        for family in families:
            self.quota.limits[family] = Limit(limit, window_s, burst)

    def set_account(self, wanted: dict[str, Any]) -> None:
        """Set ``{frozen, subscribed}``; `subscribed` is a list of families, or true or false for all."""
        self.frozen = bool(wanted.get("frozen", self.frozen))
        subscribed = wanted.get("subscribed", sorted(self.subscribed))
        every = {"two_factor", "three_factor"}
        self.subscribed = set(subscribed) if isinstance(subscribed, list) else every if subscribed else set()

    def now(self) -> float:
        """Return the simulated wall clock, in seconds since 1970."""
        return time.time() + self.offset_s

    def now_us(self) -> int:
        """Return the real wall clock in microseconds, as the journal keeps it."""
        return time.time_ns() // 1_000

    def today(self) -> dt.date:
        """Return the simulated business date."""
        return self.business_date or dt.datetime.fromtimestamp(self.now(), tz=CHINA).date()

    def state(self) -> dict[str, Any]:
        """Return what ``GET /state`` shows."""
        return {
            "frozen": self.frozen,
            "subscribed": sorted(self.subscribed),
            "offset_s": self.offset_s,
            "quota": {
                family: {"limit": one.limit, "window_s": one.window_s, "burst": one.burst}
                for family, one in self.quota.limits.items()
            },
            "faults": self.faults.listed(),
            "requests": self.journal.count(),
            "billed": self.journal.count("billed = 1"),
            "packages": self.bill.left(),
        }

    def reset(self) -> None:
        """Forget requests, faults and switches; keys and project stay."""
        self.journal.clear(self.now_us())
        self.faults.replace([], time.monotonic())
        self.quota = Quota()
        self.keys = self.account.keys()
        self.frozen, self.offset_s = False, 0.0
        self.subscribed = {"two_factor", "three_factor"}

    def announcement(self, base: str) -> str:
        """Return the ready line."""
        account = self.account
        return json.dumps(
            {
                **dict.fromkeys(("ivs", "iam", "metrics", "billing"), base),
                "control": f"{base}/control",
                "access_key": account.access_key,
                "secret_key": account.secret_key,
                "project_id": account.project_id,
                "domain": account.domain,
                "user": account.user,
                "password": account.password,
                "journal": str(self.journal.path),
            }
        )


def _price_file(named: str | None) -> Path | None:
    if not named:
        return None
    path = Path(named)
    return path if path.is_absolute() else ROOT / path
