"""What a process holds while it serves a profile: ledger, stores, prices, client, lanes; opened once, closed once.

`runtime(profile)` is the one cached object of the program: chunk tasks, on this machine or another, get only names and
ids, and find the rest here.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import httpx

from tasks.ivs.client import IvsClient
from tasks.ivs.signing import AkSkAuth
from tasks.ivs.tokens import TokenAuth
from tasks.ivs.transport import WireTransport
from tasks.ledger import Ledger
from tasks.ledger.ledger import now_us
from tasks.marker import check_marker, write_marker
from tasks.pricing import PriceList, load_prices
from tasks.privacy import Pseudonyms
from tasks.quota import Lane, Pacer
from tasks.records import Family
from tasks.settings import Profile, Secrets, load_profile
from tasks.settings.load import CHECKOUT
from tasks.staging import Staging
from tasks.storage import Store, open_store

_OPEN: Final[dict[str, Runtime]] = {}


def runtime(profile_name: str) -> Runtime:
    """Return this process's runtime for a profile, opened at the first use."""
    if profile_name not in _OPEN:
        _OPEN[profile_name] = Runtime(load_profile(profile_name), Secrets())
    return _OPEN[profile_name]


def close(profile_name: str) -> None:
    """Close the runtime of a profile, where there is one."""
    found = _OPEN.pop(profile_name, None)
    if found is not None:
        found.close()


def new_id() -> str:
    """Return a random name."""
    return uuid.uuid4().hex


@dataclass
class Runtime:
    """One profile's open parts. Everything is opened when it is first needed.

    `clock_us` is the wall clock in microseconds, `new_id` gives a name nobody else has, `rng` is for jitter only.
    """

    profile: Profile
    secrets: Secrets = field(repr=False)
    clock_us: Callable[[], int] = now_us
    new_id: Callable[[], str] = new_id
    rng: random.Random = field(default_factory=random.Random)

    @cached_property
    def names(self) -> Pseudonyms:
        """The pseudonym keys."""
        return self.secrets.pseudonyms()

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, bound to the account's endpoint and project."""
        account = self.profile.account
        return Ledger(
            self.profile.ledger_url,
            bound_to={"endpoint": self._endpoint(), "project": account.project_id},
            clock_us=self.clock_us,
        )

    @cached_property
    def prices(self) -> PriceList:
        """The price file, as valid today."""
        path = Path(self.profile.money.price_file)
        return load_prices(path if path.is_absolute() else CHECKOUT / path, self.now().date())

    @cached_property
    def records(self) -> Store:
        """The store below the source prefix."""
        return self._store(self.profile.source.records)

    @cached_property
    def media(self) -> Store:
        """The store below the media prefix."""
        return self._store(self.profile.source.media or self.profile.source.records)

    @cached_property
    def results(self) -> Store:
        """The store below the results prefix."""
        return self._store(self.profile.output.results)

    def now(self) -> dt.datetime:
        """Return the time in the profile's zone."""
        return dt.datetime.fromtimestamp(self.clock_us() / 1_000_000, tz=self.profile.zone)

    @cached_property
    def staged(self) -> Store:
        """The store below the staging prefix."""
        return self._store(self.profile.privacy.staging)

    def check(self) -> None:
        """Open what every start needs, so that what is missing is said before anything is done.

        Raises:
            MissingSecretError, PriceError, WrongLedgerError, LedgerUnavailableError, StorageError: what is missing.
        """
        self._auth(WireTransport())
        _ = self.names, self.prices, self.ledger, self.records, self.media, self.results

    def check_ledger(self) -> None:
        """Hold the ledger against the marker in the results store.

        Raises:
            WrongLedgerError: this is not the ledger that the results belong to, or an older copy of it.
        """
        check_marker(self.results, self.ledger, self.new_id())

    def mark_ledger(self) -> None:
        """Write the marker: before a start's first call, while calls go, after each closing, where a person accepts."""
        write_marker(self.results, self.ledger, self.new_id())

    def staging(self, folder: str) -> Staging:
        """Return the staged parts of one plan."""
        return Staging(self.staged, folder, self.names.sealing_keys())

    def lane_rate(self, family: str) -> float:
        """Return the calls a second that may be granted to a family, headroom taken off."""
        limits = self.profile.limits
        return limits.rate_per_s[Family(family)] * (1 - limits.headroom_pct / 100)

    def pacers(self) -> dict[str, Pacer]:
        """Return a pacer for each family; one and the same where they share a quota."""
        account = self.profile.account.project_id
        if self.profile.limits.shared_quota:
            rate = min(self.lane_rate(family) for family in self.profile.limits.rate_per_s)
            shared = Pacer(Lane(f"{account}:all", rate), self.ledger)
            return dict.fromkeys(map(str, Family), shared)
        return {
            family.value: Pacer(Lane(f"{account}:{family}", self.lane_rate(family)), self.ledger)
            for family in self.profile.limits.rate_per_s
        }

    def client(self) -> IvsClient:
        """Return a client for the account, on a transport of its own; close it in the loop that used it."""
        account = self.profile.account
        transport = WireTransport()
        return IvsClient(
            endpoint=account.endpoint,
            project_id=account.project_id or None,
            auth=self._auth(transport),
            transport=transport,
            connect_timeout_s=account.connect_timeout_s,
            read_timeout_s=account.read_timeout_s,
            enterprise_project_id=account.enterprise_project_id or None,
        )

    def close(self) -> None:
        """Close what was opened."""
        if "ledger" in self.__dict__:
            self.ledger.close()

    def _endpoint(self) -> str:
        """The endpoint a ledger is bound to; a demo's port changes at every start, its project does not."""
        demo = self.profile.kind == "demo"
        return "loopback" if demo else self.profile.account.endpoint

    def _auth(self, transport: httpx.AsyncBaseTransport) -> httpx.Auth:
        account = self.profile.account
        if account.auth == "token":
            return TokenAuth(
                iam_endpoint=account.iam_endpoint,
                domain=account.domain,
                user=account.user,
                password=self.secrets.get("PASSWORD"),
                project=account.region,
                transport=transport,
            )
        return AkSkAuth(
            self.secrets.get("ACCESS_KEY"),
            self.secrets.get("SECRET_KEY"),
            security_token=self.secrets.find("SECURITY_TOKEN"),
        )

    def _store(self, uri: str) -> Store:
        return open_store(uri, self.profile.storage, self.secrets)
