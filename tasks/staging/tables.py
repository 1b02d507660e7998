"""Columns of what a plan stages: its rows (one per input row, masked) and its chunks (what will be asked)."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

ROW_TEXT: Final = (
    "record_ref",
    "source_file",
    "customer_no",
    "name_masked",
    "id_type",
    "id_masked",
    "id_valid_to",
    "id_expiry_status",
    "org_code",
    "risk_level",
    "due_date",
    "check_reason",
    "purpose",
    "legal_basis",
    "consent_ref",
    "cost_centre",
    "required_check",
    "performed_check",
    "rule",
    "rule_version",
    "disposition",
    "reason",
    "reason_column",
    "reason_detail",
    "warnings",
    "name_hint",
    "duplicate_of",
    "relied_on_run",
    "relied_on_call",
    "relied_on_outcome",
    "relied_on_at",
    "relied_on_code",
    "previous_outcome",
    "previous_at",
    "question",
    "conflict_with",
    "media_note",
)

ROWS: Final = pa.schema(
    [("source_row", pa.int64()), ("chunk", pa.int32()), *((name, pa.string()) for name in ROW_TEXT)]
)

MEDIA_KINDS: Final = ("face", "card_front", "card_back", "video")

CHUNKS: Final = pa.schema(
    [
        *(
            (name, pa.string())
            for name in (
                "record_ref",
                "question",
                "subject",
                "key_id",
                "decides",
                "operation",
                "family",
                "name",
                "id_number",
                "actions",
                "cost_centre",
                "org_code",
            )
        ),
        ("detail", pa.bool_()),
        ("bytes", pa.int64()),
        ("known_us", pa.int64()),
        *(
            field
            for kind in MEDIA_KINDS
            for field in (
                (f"{kind}_key", pa.string()),
                (f"{kind}_etag", pa.string()),
                (f"{kind}_size", pa.int64()),
                (f"{kind}_sent_sha256", pa.string()),
            )
        ),
    ]
)
