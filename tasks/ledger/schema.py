"""Tables of the ledger: pseudonyms, questions, codes, times and money; nothing that names a person.

Times are microseconds since 1970 UTC, money millionths of the currency. The partial unique index on `calls` is the
fence of the whole system: a question has at most one open call, whoever asks. This is what a fresh ledger looks like;
how an older one gets there is in `migrations`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData()

binding = Table(
    "binding",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

owners = Table(
    "owners",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("profile", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("plan_hash", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("as_of_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("stop", Text, nullable=False, server_default=""),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("owner", Text, nullable=False, server_default=""),
    Column("approved_by", Text, nullable=False, server_default=""),
    Column("created_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("closing", Text, nullable=False, server_default=""),
    Column("kept_chunks", Text, nullable=False, server_default=""),
    Column("stopped_before", Text, nullable=False, server_default=""),
    Column("late", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("profile", "source", "business_date", "sequence"),
)

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("record_ref", Text, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("question", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("cost_centre", Text, nullable=False),
    Column("org_code", Text, nullable=False),
    Column("night", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("sent_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("state", Text, nullable=False),
    Column("answer", Text, nullable=False, server_default=""),
    Column("charge", Text, nullable=False),
    Column("open", Integer, nullable=False),
    Column("worst_micros", BigInteger, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("status", Integer),
    Column("code", Text, nullable=False, server_default=""),
    Column("verification_code", Text, nullable=False, server_default=""),
    Column("verification_result", Text, nullable=False, server_default=""),
    Column("similarity", Text, nullable=False, server_default=""),
    Column("request_id", Text, nullable=False, server_default=""),
    Column("outcome", Text, nullable=False, server_default=""),
    Column("ocr_name_match", Text, nullable=False, server_default=""),
    Column("ocr_id_match", Text, nullable=False, server_default=""),
    Column("decision", Text, nullable=False, server_default=""),
    Column("voided", Integer, nullable=False, server_default="0"),
    Column("set_aside", Text, nullable=False, server_default=""),
    Index("calls_by_record", "run_id", "record_ref"),
    Index("calls_by_question", "question"),
    Index("calls_by_owner", "state", "owner"),
    Index("open_question", "question", unique=True, sqlite_where=text("open = 1"), postgresql_where=text("open = 1")),
)

unsent = Table(
    "unsent",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("record_ref", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("open_call", Text, nullable=False, server_default=""),
    Column("at_us", BigInteger, nullable=False),
    Column("set_aside", Text, nullable=False, server_default=""),
    Column("chunk", Integer, nullable=False, server_default=text("-1")),
    Column("reason_column", Text, nullable=False, server_default=""),
    Column("reason_detail", Text, nullable=False, server_default=""),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

envelopes = Table(
    "envelopes",
    metadata,
    Column("decision", Text, primary_key=True),
    Column("profile", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("most_records", BigInteger, nullable=False),
    Column("most_micros", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("signed_us", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False, server_default=text("0")),
    Column("micros", BigInteger, nullable=False, server_default=text("0")),
)

budget = Table(
    "budget",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("certain_micros", BigInteger, nullable=False),
    Column("possible_micros", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("cap_micros", BigInteger, nullable=False),
    Column("cap_calls", BigInteger, nullable=False),
)

tiers = Table(
    "tiers",
    metadata,
    Column("month", Text, primary_key=True),
    Column("family", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
)

quota = Table(
    "quota",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next_us", BigInteger, nullable=False),
    Column("rate_milli", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("throttled", BigInteger, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

marks = Table(
    "marks",
    metadata,
    Column("mark", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
)
