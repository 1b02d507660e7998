"""How an older ledger becomes today's: small steps in order, each applied once, all in the transaction that opens it.

To add one: change `schema` to what a fresh ledger should look like, and append to `STEPS` the statements that bring an
older one there. They must run on SQLite and PostgreSQL as they stand (TEXT, INTEGER and BIGINT are common ground), keep
every row, and spell everything out rather than import `schema`, which will have moved on. The version counts itself;
the tests hold a fresh ledger against an upgraded one. A step that has been released is never edited.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    # 2: what the results' marker is held against, see `tasks.marker`
    ("CREATE TABLE marks (mark TEXT NOT NULL, at_us BIGINT NOT NULL, PRIMARY KEY (mark))",),
    # 3: what a person's decision took out of force, and which staged chunks an ended run has left
    (
        "ALTER TABLE calls ADD COLUMN set_aside TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE unsent ADD COLUMN set_aside TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE runs ADD COLUMN kept_chunks TEXT DEFAULT '' NOT NULL",
    ),
    # 4: so that a resume finds the chunks that are done without reading them; unknown (-1) of what was written before
    ("ALTER TABLE unsent ADD COLUMN chunk INTEGER DEFAULT -1 NOT NULL",),
    # 5: why a run that is redriven was stopped before; and each profile's month has a cap of its own
    (
        "ALTER TABLE runs ADD COLUMN stopped_before TEXT DEFAULT '' NOT NULL",
        (
            "INSERT INTO budget (scope, certain_micros, possible_micros, calls, cap_micros, cap_calls) "
            "SELECT 'month:' || runs.profile || ':' || calls.month, "
            "SUM(CASE WHEN calls.charge = 'certain' THEN calls.price_micros ELSE 0 END), "
            "SUM(CASE WHEN calls.charge = 'possible' THEN calls.worst_micros ELSE 0 END), "
            "SUM(CASE WHEN calls.charge = 'none' THEN 0 ELSE 1 END), "
            "MAX(whole.cap_micros), MAX(whole.cap_calls) "
            "FROM calls JOIN runs ON runs.run_id = calls.run_id "
            "JOIN budget AS whole ON whole.scope = 'month:' || calls.month GROUP BY runs.profile, calls.month"
        ),
    ),
    # 6: which column was at fault where a call never left, and how
    (
        "ALTER TABLE unsent ADD COLUMN reason_column TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE unsent ADD COLUMN reason_detail TEXT DEFAULT '' NOT NULL",
    ),
    # 7: what is approved of a night before its plan is made; and how many doubts of a run were answered late
    (
        "ALTER TABLE runs ADD COLUMN late INTEGER DEFAULT 0 NOT NULL",
        (
            "CREATE TABLE envelopes (decision TEXT NOT NULL, profile TEXT NOT NULL, business_date DATE NOT NULL, "
            "most_records BIGINT NOT NULL, most_micros BIGINT NOT NULL, until_us BIGINT NOT NULL, "
            "signed_us BIGINT NOT NULL, records BIGINT DEFAULT 0 NOT NULL, micros BIGINT DEFAULT 0 NOT NULL, "
            "PRIMARY KEY (decision))"
        ),
    ),
)

SCHEMA_VERSION: Final = 1 + len(STEPS)

_VERSION: Final = text("UPDATE binding SET value = :version WHERE name = 'schema'")


def upgrade(connection: Connection, found: int) -> None:
    """Bring a ledger of version `found` to today's; where this dies nothing of it stays."""
    for statements in STEPS[found - 1 :]:
        for statement in statements:
            connection.exec_driver_sql(statement)
    if found < SCHEMA_VERSION:
        connection.execute(_VERSION, {"version": str(SCHEMA_VERSION)})
