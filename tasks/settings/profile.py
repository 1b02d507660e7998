"""The profile: one TOML file per situation, as frozen, typed sections.

Nothing here is secret: keys, passwords and tokens come from the environment or from files (`tasks.settings.secrets`).
Provider facts that the reference marks unconfirmed are settings, with the reference's advice as default.
"""

from __future__ import annotations

import difflib
import ipaddress
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.records import Family, Operation, Outcome

Amount = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)]
Days = Annotated[int, Field(ge=0, le=36_500)]


class Section(BaseModel):
    """A part of the profile: frozen, and strict about keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(Section):
    """The provider's account that is called and billed (reference 3, 4.1)."""

    endpoint: str
    region: str = "cn-north-4"
    project_id: str = ""
    auth: Literal["aksk", "token"] = "aksk"
    iam_endpoint: str = ""
    domain: str = ""
    user: str = ""
    enterprise_project_id: str = ""
    connect_timeout_s: float = Field(default=10, gt=0, le=120)
    read_timeout_s: float = Field(default=60, gt=0, le=600)
    ca_file: str = ""


class Storage(Section):
    """The object store: any S3 endpoint; ``obs`` switches on what Huawei OBS needs (reference 4.3)."""

    endpoint_url: str = ""
    region: str = "cn-north-4"
    addressing: Literal["path", "virtual"] = "virtual"
    flavour: Literal["s3", "obs"] = "obs"
    threads: int = Field(default=12, ge=1, le=64)


class SourceLayout(Section):
    """What files don't say of themselves; see `tasks.records.layout.Layout`."""

    headings: tuple[str, ...] = ()
    sheet: str = ""
    partition: str = ""
    id_types: tuple[str, ...] = ()
    media_keys: dict[Literal["face_key", "card_front_key", "card_back_key", "video_key"], str] = Field(
        default_factory=dict
    )


class SourceControl(Section):
    """What tells that a night's files have all come (`tasks.ingest.control`), and how long it is waited for.

    `file` is a key below the source with the business date as `strftime` writes it, ``ready-%Y%m%d.json``; empty: none.
    `wait_until` is a time of the business date, or before noon of the morning after.
    """

    file: str = ""
    wait_until: time | None = None
    every_s: float = Field(default=30, ge=1, le=3_600)


class Source(Section):
    """Where records and media come from, and how their columns are called.

    `rows_within_pct` stops a night whose rows differ more from the median of the last `recent_nights`; 0: not compared.
    It is compared from the third night on: before that there is nothing usual.
    `bad_files`: a file that can't be read is one withheld row, and the others are read; or it stops the night, as it
    always does when a control file names it.
    """

    records: str
    media: str = ""
    include: tuple[str, ...] = (
        "*.csv", "*.tsv", "*.txt", "*.jsonl", "*.ndjson", "*.parquet", "*.xlsx",
        *(f"*.{kind}.{how}" for kind in ("csv", "tsv", "txt", "jsonl", "ndjson") for how in ("gz", "zst", "zstd")),
    )  # fmt: skip
    layout: SourceLayout = SourceLayout()
    columns: dict[str, str] = Field(default_factory=dict)
    encoding: str = ""
    delimiter: str = Field(default="", pattern=r'^[^"\r\n]*$')
    control: SourceControl = SourceControl()
    rows_within_pct: float = Field(default=0, ge=0, le=1_000)
    recent_nights: int = Field(default=7, ge=3, le=100)
    bad_files: Literal["withhold", "stop"] = "withhold"


class Rule(Section):
    """One line of the policy table: the first rule that fits a record decides its check.

    `risk_level` empty fits every level. `needs` names media a record must bring for the rule to fit; where it brings
    none the next rule is tried, so a check that a level always requires is a rule without `needs`: its record is then
    rejected as `media_missing`, and gets no lesser check.
    """

    name: str = Field(min_length=1, max_length=80)
    check: Operation
    risk_level: tuple[str, ...] = ()
    needs: tuple[Literal["face", "card", "video"], ...] = ()

    def covers(self, other: Rule) -> bool:
        """Tell whether this rule fits every record that `other` fits."""
        levels = not self.risk_level or (bool(other.risk_level) and set(other.risk_level) <= set(self.risk_level))
        return levels and set(self.needs) <= set(other.needs)


class Policy(Section):
    """Which check each record gets, how long an answer serves, and what is withheld.

    `risk_levels` lists the levels there are: then rules name no other, and a record with another is rejected rather
    than checked less than its level asks. `purpose`, `legal_basis` and `consent_ref` stand for records whose row has
    none. With `face_law` a three-factor check needs purpose, legal basis, consent reference, the number of an
    `impact_assessment`, and a known age of 14 or more.

    `in_doubt` says what a call without an answer waits for: `hold`, a person; or `reask_below`, a later night, which
    asks it again once while the worst cases of these repeats stay within that amount a night. `set_by` answers for it.
    """

    version: str = "1"
    default_check: Operation = Operation.ID2_TEXT
    risk_levels: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    obey_required_check: bool = True
    video_checks: bool = False
    actions: str = "3"
    detail: bool = False
    reverify_days: dict[Outcome, Days] = Field(
        default_factory=lambda: {
            Outcome.VERIFIED: 365,
            Outcome.MISMATCH: 30,
            Outcome.FACE_MISMATCH: 30,
            Outcome.NO_PHOTO: 90,
            Outcome.NOT_FOUND: 30,
            Outcome.MEDIA_REJECTED: 30,
            Outcome.UNKNOWN_VERDICT: 7,
            Outcome.FAILED: 7,
        }
    )
    withhold_rare_names: bool = True
    require_legal_basis: bool = False
    purpose: str = ""
    legal_basis: str = ""
    consent_ref: str = ""
    face_law: bool = False
    impact_assessment: str = ""
    minimum_age: int = Field(default=0, ge=0, le=150)
    expiring_days: Days = 90
    in_doubt: Literal["hold", "reask_below"] = "hold"
    reask_below: Amount = Decimal(0)
    set_by: str = ""

    @field_validator("rules")
    @classmethod
    def _each_rule_can_decide(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        for place, rule in enumerate(rules):
            before = next((other for other in rules[:place] if other.covers(rule)), None)
            if before:
                raise ValueError(
                    f"rule {rule.name!r} is never reached: {before.name!r} before it fits the same records"
                )
        return rules

    @model_validator(mode="after")
    def _a_standing_decision_has_an_amount_and_a_name(self) -> Policy:
        if self.in_doubt == "reask_below" and not (self.reask_below and self.set_by):
            raise ValueError(
                "in_doubt = 'reask_below' needs an amount a night, reask_below, and set_by: who answers for it"
            )
        if self.in_doubt == "hold" and self.reask_below:
            raise ValueError("reask_below does nothing unless in_doubt = 'reask_below'")
        return self

    @model_validator(mode="after")
    def _rules_name_known_levels(self) -> Policy:
        for rule in self.rules if self.risk_levels else ():
            for level in set(rule.risk_level) - set(self.risk_levels):
                near = difflib.get_close_matches(level, self.risk_levels, n=1)
                said = f", did you mean {near[0]!r}?" if near else f": known are {', '.join(self.risk_levels)}"
                raise ValueError(f"rule {rule.name!r} names the unknown level {level!r}{said}")
        return self


class MediaRules(Section):
    """What is done about pictures that may be sent and might fail, or may not be sent as they are.

    A picture is evidence and goes as it is stored. With `recompress` a JPG that is too large is turned upright, made to
    fit, and recorded with keyed digests of both. Whether the provider turns a picture by its EXIF orientation is not
    known, and its sides are legal either way: `rotated` sends it and counts it, or rejects it.
    """

    recompress: bool = False
    rotated: Literal["send", "reject"] = "send"


class Canary(Section):
    """The first records of each operation, which stop a wrong night while it is still cheap."""

    records: int = Field(default=20, ge=0, le=10_000)
    most_not_verified_pct: float = Field(default=80, ge=0, le=100)
    most_unknown_pct: float = Field(default=50, ge=0, le=100)


class Breaker(Section):
    """How many answers may stay out before the provider counts as not answering."""

    in_a_row: int = Field(default=5, ge=1)
    in_a_run: int = Field(default=20, ge=1)
    pause_s: float = Field(default=10, ge=0, le=600)


class Window(Section):
    """The hours in which calls may be sent; a window over midnight belongs to its starting date."""

    opens: time
    closes: time


class Limits(Section):
    """Quota, concurrency, retries, chunks and time.

    `rate_per_s` is the provider's quota per family (reference 5: 10/s, per account); `headroom_pct` is kept free for
    the way to the receiver; `shared_quota` puts both families under one. A run that is told to stop waits `drain_s` for
    the answers of the calls in flight; what comes later is in doubt.
    """

    rate_per_s: dict[Family, Annotated[float, Field(gt=0, le=100_000)]] = Field(
        default_factory=lambda: {Family.TWO_FACTOR: 10.0, Family.THREE_FACTOR: 10.0}
    )
    headroom_pct: float = Field(default=10, ge=0, lt=100)
    shared_quota: bool = False
    in_flight: int = Field(default=64, ge=1, le=4_096)
    bytes_in_flight: int = Field(default=256_000_000, ge=16_000_000)
    attempts: int = Field(default=6, ge=1, le=20)
    retry_for_s: float = Field(default=300, ge=0, le=3_600)
    backoff_s: float = Field(default=0.5, gt=0, le=60)
    backoff_most_s: float = Field(default=30, gt=0, le=300)
    throttled_most_s: float = Field(default=600, ge=1, le=86_400)
    drain_s: float = Field(default=10, ge=0, le=600)
    chunk_records: int = Field(default=0, ge=0, le=100_000)
    chunk_seconds: float = Field(default=10, gt=0, le=600)
    chunk_bytes: int = Field(default=256_000_000, ge=1_000_000)
    chunks_at_once: int = Field(default=4, ge=1, le=64)
    window: Window | None = None
    canary: Canary = Canary()
    breaker: Breaker = Breaker()


class Money(Section):
    """Prices and caps; an amount of 0 calls or no amount means: not capped by that.

    A plan whose worst case is above `approve_above` waits for a person, `approve_within_hours` at most.
    """

    price_file: str
    cap_run: Amount
    cap_night: Amount
    cap_month: Amount
    cap_run_calls: int = Field(default=0, ge=0)
    cap_night_calls: int = Field(default=0, ge=0)
    cap_month_calls: int = Field(default=0, ge=0)
    approve_above: Amount = Decimal(0)
    approve_within_hours: float = Field(default=12, gt=0, le=720)


class Privacy(Section):
    """Where what is personal lies between planning and the end of its run, sealed, and for how long at most.

    When a run has ended only the chunks in which something is open are kept, for a redrive, and no longer than
    `staging_days`; 0: none is.
    """

    staging: str
    staging_days: Days = 14


class Output(Section):
    """Where tables and reports are written, and at which address a browser finds them: `links`, then run and file."""

    results: str
    links: str = Field(default="", pattern=r"^(https?://[^\s?#@]+)?$")
    xlsx_rows: int = Field(default=200_000, ge=0, le=1_000_000)


class Profile(Section):
    """Everything a night is told that is not secret."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    kind: Literal["demo", "real"]
    language: Literal["zh", "en", "both"] = "both"
    time_zone: str = "Asia/Shanghai"
    home: Path
    ledger: str = ""
    account: Account
    storage: Storage = Storage()
    source: Source
    policy: Policy = Policy()
    media: MediaRules = MediaRules()
    limits: Limits = Limits()
    money: Money
    privacy: Privacy
    output: Output

    @property
    def zone(self) -> ZoneInfo:
        """The profile's time zone, in which business dates and windows are told."""
        return ZoneInfo(self.time_zone)

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger; a file below `home` unless the profile names another."""
        return self.ledger or f"sqlite:///{self.home.expanduser().resolve()}/ledger.sqlite"

    @model_validator(mode="after")
    def _hosts_fit_the_kind(self) -> Profile:
        for name, url in self._endpoints():
            _check_host(name, url, demo=self.kind == "demo")
        return self

    @model_validator(mode="after")
    def _ledger_shows_no_password(self) -> Profile:
        parts = urlsplit(self.ledger)
        if parts.password is not None or any("password" in name for name in parse_qs(parts.query)):
            raise ValueError("ledger: profiles are printed, so no password in its address: use PGPASSWORD or .pgpass")
        return self

    def _endpoints(self) -> list[tuple[str, str]]:
        named = [
            ("account.endpoint", self.account.endpoint),
            ("account.iam_endpoint", self.account.iam_endpoint),
            ("storage.endpoint_url", self.storage.endpoint_url),
        ]
        return [(name, url) for name, url in named if url]


def _check_host(name: str, url: str, *, demo: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{name}: {url!r} is not an http(s) address")
    loopback = _is_loopback(parts.hostname)
    if demo and not loopback:
        raise ValueError(f"{name}: a demo profile reaches this machine only, not {parts.hostname!r}")
    if not demo and loopback:
        raise ValueError(f"{name}: a real profile refuses loopback ({parts.hostname!r})")
    if not loopback and parts.scheme != "https":
        raise ValueError(f"{name}: {url!r} must be https")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
