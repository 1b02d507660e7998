"""From rows to a plan: choose, screen, drop duplicates, reuse, cut into chunks; one batch at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.ledger import Ledger
from tasks.media import MediaLimits
from tasks.plan.choose import Choice, choose
from tasks.plan.draft import Draft
from tasks.plan.questions import Media, Options, question, record_ref, subject
from tasks.plan.reuse import Known, latest_answers, still_serves
from tasks.plan.rows import row_of
from tasks.plan.screen import Screened, screen_all
from tasks.plan.seen import Seen
from tasks.privacy import Pseudonyms
from tasks.records import OPERATIONS, Outcome, Record, RejectedRow
from tasks.settings import Profile
from tasks.staging import MEDIA_KINDS
from tasks.storage import Store

Items = Sequence[Record | RejectedRow]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A record that may be asked, on its way through the steps of one batch."""

    record: Record
    choice: Choice
    row: dict[str, Any]
    screened: Screened
    question: str


@dataclass(slots=True)
class Build:
    """Everything one plan is built with."""

    profile: Profile
    names: Pseudonyms
    ledger: Ledger
    media_store: Store
    draft: Draft
    seen: Seen
    on: dt.date
    as_of_us: int

    def take(self, batches: Iterable[Items]) -> None:
        """Plan all rows, batch by batch."""
        for items in batches:
            self._batch(items)

    def _batch(self, items: Items) -> None:
        prepared = [self._prepare(item) for item in items]
        willing = [item for item in prepared if isinstance(item, tuple)]
        screened = iter(
            screen_all(
                self.media_store,
                [(record, choice.check) for record, choice, _ in willing],
                MediaLimits(),
                self.profile.storage.threads,
            )
        )
        asked = [item if isinstance(item, dict) else self._asked(*item, next(screened)) for item in prepared]
        known = self._known([item.question for item in asked if isinstance(item, _Asked)])
        for item in asked:
            if isinstance(item, dict):
                self.draft.keep(item)
            else:
                self._place(item, known.get(item.question))

    def _prepare(self, item: Record | RejectedRow) -> dict[str, Any] | tuple[Record, Choice, dict[str, Any]]:
        """Return a finished row for what is not asked, else the record with its choice and row."""
        if isinstance(item, RejectedRow):
            return self._row(item.record) | _turned_away(item.outcome, item.reason, item.column)
        choice = choose(item, self.profile.policy, self.on)
        row = self._row(item) | {"required_check": choice.check.value, "rule": choice.rule}
        if choice.kept_back:
            return row | _turned_away(*choice.kept_back)
        return item, choice, row | {"performed_check": choice.check.value}

    def _row(self, record: Record) -> dict[str, Any]:
        policy = self.profile.policy
        ref = record_ref(record, self.names)
        return row_of(
            record, ref, on=self.on, expiring_days=policy.expiring_days, rule_version=f"policy {policy.version}"
        )

    def _asked(
        self, record: Record, choice: Choice, row: dict[str, Any], screened: Screened
    ) -> _Asked | dict[str, Any]:
        if screened.reason is not None:
            return row | _turned_away(Outcome.REJECTED, screened.reason, screened.column)
        asked = question(record, choice.check, screened.media, self._options(record), self.names)
        return _Asked(record, choice, row | {"question": asked}, screened, asked)

    def _options(self, record: Record) -> Options:
        policy = self.profile.policy
        return Options(actions=record.actions or policy.actions, detail=policy.detail)

    def _known(self, questions: list[str]) -> dict[str, Known]:
        return latest_answers(self.ledger.calls_about(sorted(set(questions))))

    def _place(self, item: _Asked, known: Known | None) -> None:
        ref = str(item.row["record_ref"])
        row = item.row | _before(known)
        first = self.seen.first(item.question, ref)
        if first != ref:
            self.draft.keep(row | {"disposition": "duplicate", "duplicate_of": first})
        elif known and still_serves(known, self.profile.policy.reverify_days, self.as_of_us):
            self.draft.keep(row | _relied_on(known))
        else:
            self.draft.ask(row | {"disposition": "ask"}, self._call(item))

    def _call(self, item: _Asked) -> dict[str, Any]:
        facts = OPERATIONS[item.choice.check]
        record, options = item.record, self._options(item.record)
        return {
            "record_ref": item.row["record_ref"],
            "question": item.question,
            "subject": subject(record, self.names),
            "key_id": self.names.key_id,
            "operation": item.choice.check.value,
            "family": facts.family.value,
            "name": record.name.reveal() if record.name else "",
            "id_number": record.id_number.reveal() if record.id_number else "",
            "actions": options.actions if facts.video else "",
            "detail": options.detail,
            "cost_centre": record.cost_centre,
            "org_code": record.org_code,
            "bytes": item.screened.body_bytes,
            **_pinned(item.screened.media),
        }


def _turned_away(outcome: Outcome, reason: str, column: str) -> dict[str, Any]:
    return {"disposition": outcome.value, "reason": str(reason), "reason_column": column}


def _before(known: Known | None) -> dict[str, Any]:
    return {"previous_outcome": known.outcome, "previous_at": known.at} if known else {}


def _relied_on(known: Known) -> dict[str, Any]:
    return {
        "disposition": "reused",
        "relied_on_run": known.run_id,
        "relied_on_call": known.call_id,
        "relied_on_outcome": known.outcome,
        "relied_on_at": known.at,
        "relied_on_code": known.code,
    }


def _pinned(media: dict[str, Media]) -> dict[str, Any]:
    pinned: dict[str, Any] = {}
    for kind in MEDIA_KINDS:
        item = media.get(kind)
        pinned |= {
            f"{kind}_key": item.key if item else "",
            f"{kind}_etag": item.etag if item else "",
            f"{kind}_size": item.size if item else 0,
        }
    return pinned
