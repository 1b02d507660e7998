"""From rows to a plan: choose, screen, drop duplicates, reuse, cut into chunks; one batch at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.ledger import Ledger
from tasks.plan.choose import Choice, choose, with_grounds
from tasks.plan.draft import Draft
from tasks.plan.questions import Options, call_row, questions, record_ref, said_of
from tasks.plan.reuse import Past, still_serves
from tasks.plan.rows import before, relied_on, row_of, turned_away
from tasks.plan.screen import Screen, Screened
from tasks.plan.seen import Seen
from tasks.privacy import Pseudonyms
from tasks.records import Outcome, Record, RejectedRow
from tasks.settings import Profile

Items = Sequence[Record | RejectedRow]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A finished row of what is not asked; `spared` names the check that screening has saved."""

    row: Row = field(repr=False)
    spared: str = ""


@dataclass(frozen=True, slots=True)
class _Willing:
    """A record that policy lets be asked."""

    record: Record
    choice: Choice
    row: Row = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A record that may be asked, with its question under every key held, the newest first."""

    record: Record
    choice: Choice
    row: Row = field(repr=False)
    screened: Screened
    questions: tuple[str, ...]


@dataclass(slots=True)
class Build:
    """Everything one plan is built with."""

    profile: Profile
    names: Pseudonyms
    ledger: Ledger
    screen: Screen
    draft: Draft
    seen: Seen
    on: dt.date
    as_of_us: int

    def take(self, batches: Iterable[Items]) -> None:
        """Plan all rows, batch by batch."""
        for items in batches:
            self._batch(items)

    def _batch(self, items: Items) -> None:
        prepared = list(map(self._prepare, items, self._conflicts(items)))
        screened = iter(self._screened([item for item in prepared if isinstance(item, _Willing)]))
        sifted = [self._asked(item, next(screened)) if isinstance(item, _Willing) else item for item in prepared]
        asked = [item for item in sifted if isinstance(item, _Asked)]
        past = Past(self.ledger.calls_about(sorted({name for item in asked for name in item.questions})))
        firsts = iter(self.seen.firsts([(item.questions[0], item.row["record_ref"]) for item in asked]))
        for item in sifted:
            if isinstance(item, _Kept):
                self.draft.keep(item.row, spared=item.spared)
            else:
                self._place(item, next(firsts), past)

    def _conflicts(self, items: Items) -> list[str]:
        """Return for each item where its customer was named first with other data, or an empty text."""
        records = [item for item in items if isinstance(item, Record)]
        told = [(one.customer_no.reveal(), said_of(one), f"{one.source_file}:{one.source_row}") for one in records]
        found = iter(self.seen.conflicts(told))
        return [next(found) if isinstance(item, Record) else "" for item in items]

    def _prepare(self, item: Record | RejectedRow, conflict: str) -> _Kept | _Willing:
        if isinstance(item, RejectedRow):
            return _Kept(self._row(item.record) | turned_away(item.outcome, item.reason, item.column, item.detail))
        record = with_grounds(item, self.profile.policy)
        choice = choose(record, self.profile.policy, self.on)
        row = self._row(record)
        row.update(required_check=choice.check.value, rule=choice.rule, conflict_with=conflict)
        if choice.kept_back:
            return _Kept(row | turned_away(*choice.kept_back))
        return _Willing(record, choice, row)

    def _row(self, record: Record) -> Row:
        policy = self.profile.policy
        ref = record_ref(record, self.names)
        return row_of(
            record, ref, on=self.on, expiring_days=policy.expiring_days, rule_version=f"policy {policy.version}"
        )

    def _screened(self, willing: Sequence[_Willing]) -> list[Screened]:
        asked = [(item.record, item.choice.check) for item in willing]
        return self.screen.all(asked, self.profile.storage.threads)

    def _asked(self, item: _Willing, screened: Screened) -> _Asked | _Kept:
        check = item.choice.check
        if screened.reason is not None:
            told = turned_away(Outcome.REJECTED, screened.reason, screened.column, screened.detail)
            return _Kept(item.row | told, check.value)
        asked = questions(item.record, check, screened.media, self._options(item.record), self.names)
        item.row.update(performed_check=check.value, question=asked[0], media_note="; ".join(screened.notes))
        return _Asked(item.record, item.choice, item.row, screened, asked)

    def _options(self, record: Record) -> Options:
        policy = self.profile.policy
        return Options(actions=record.actions or policy.actions, detail=policy.detail)

    def _place(self, item: _Asked, first: str, past: Past) -> None:
        known = past.known(item.questions)
        row = item.row
        row.update(before(known))
        if first != row["record_ref"]:
            self.draft.keep(row | {"disposition": "duplicate", "duplicate_of": first}, spared=item.choice.check.value)
        elif known and still_serves(known, self.profile.policy.reverify_days, self.as_of_us):
            self.draft.keep(row | relied_on(known), spared=item.choice.check.value)
        else:
            self._ask(item, row, past)

    def _ask(self, item: _Asked, row: Row, past: Past) -> None:
        """Stage a record to be asked, its question under the key by which the ledger knows it as open."""
        under = past.open_under(item.questions)
        row.update(disposition="ask", question=item.questions[under])
        call = call_row(
            item.record, item.choice.check, item.screened.media, self._options(item.record), self.names, under
        )
        call.update(record_ref=row["record_ref"], question=row["question"], bytes=item.screened.held_bytes)
        known = past.known(item.questions)
        call.update(known_us=known.at_us if known else 0)
        self.draft.ask(row, call)
