"""The types a record passes through, and the closed lists of operations, outcomes, reasons and run states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tasks.privacy import Personal

CHANNEL: Final = "huawei_ivs"
"""What every result row names as its channel: an IVS verdict is not the central bank's check."""


class Family(StrEnum):
    """What quota and price hang on."""

    TWO_FACTOR = "two_factor"
    THREE_FACTOR = "three_factor"


class Operation(StrEnum):
    """The provider's six checks (reference 1.1)."""

    ID2_TEXT = "id2_text"
    ID2_IMAGE = "id2_image"
    ID3_TEXT_FACE = "id3_text_face"
    ID3_IMAGE_FACE = "id3_image_face"
    ID3_TEXT_VIDEO = "id3_text_video"
    ID3_IMAGE_VIDEO = "id3_image_video"


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """What an operation costs and carries: its family, and which inputs it needs (reference 1.4)."""

    family: Family
    text: bool = False
    card: bool = False
    face: bool = False
    video: bool = False


OPERATIONS: Final[Mapping[Operation, OperationFacts]] = MappingProxyType(
    {
        Operation.ID2_TEXT: OperationFacts(Family.TWO_FACTOR, text=True),
        Operation.ID2_IMAGE: OperationFacts(Family.TWO_FACTOR, card=True),
        Operation.ID3_TEXT_FACE: OperationFacts(Family.THREE_FACTOR, text=True, face=True),
        Operation.ID3_IMAGE_FACE: OperationFacts(Family.THREE_FACTOR, card=True, face=True),
        Operation.ID3_TEXT_VIDEO: OperationFacts(Family.THREE_FACTOR, text=True, video=True),
        Operation.ID3_IMAGE_VIDEO: OperationFacts(Family.THREE_FACTOR, card=True, video=True),
    }
)


class Outcome(StrEnum):
    """What became of a record: exactly one of these, for every input row."""

    VERIFIED = "verified"
    MISMATCH = "mismatch"
    FACE_MISMATCH = "face_mismatch"
    MEDIA_REJECTED = "media_rejected_by_provider"
    NO_PHOTO = "no_photo"
    NOT_FOUND = "not_found"
    UNKNOWN_VERDICT = "unknown_verdict"
    UNREADABLE = "unreadable"
    REJECTED = "rejected"
    WITHHELD = "withheld"
    DUPLICATE = "duplicate"
    REUSED = "reused"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    NOT_ATTEMPTED = "not_attempted"


class Reason(StrEnum):
    """Why a record was rejected, withheld, not attempted, or failed by a decision."""

    BAD_DATA = "bad_data"
    UNREADABLE_FILE = "unreadable_file"
    BAD_MEDIA = "bad_media"
    MEDIA_MISSING = "media_missing"
    MEDIA_CHANGED = "media_changed"
    MEDIA_FORBIDDEN = "media_forbidden"
    UNSUPPORTED_DOCUMENT = "unsupported_document"
    ERASED = "erased"
    RARE_NAME = "rare_name"
    DAMAGED_NAME = "damaged_name"
    NO_LEGAL_BASIS = "no_legal_basis"
    MINOR = "minor"
    BUDGET = "budget"
    WINDOW = "window"
    CANCELLED = "cancelled"
    HALTED = "halted"
    CANARY = "canary"
    ACCOUNT = "account"
    PROVIDER = "provider"
    NOT_APPROVED = "not_approved"
    WRITTEN_OFF = "written_off"


NEEDS_A_PERSON: Final = frozenset(
    {Outcome.IN_DOUBT, Outcome.FAILED, Outcome.UNREADABLE, Outcome.UNKNOWN_VERDICT, Outcome.WITHHELD}
)
"""Outcomes that make a run `completed_with_exceptions` (exit code 3)."""

MAY_BE_ASKED_AGAIN: Final = frozenset({Outcome.IN_DOUBT, Outcome.FAILED, Outcome.UNREADABLE})
"""Outcomes that a redrive can ask again; their staged chunks are kept for it."""

PAID_ANSWERS: Final = frozenset(
    {
        Outcome.VERIFIED,
        Outcome.MISMATCH,
        Outcome.FACE_MISMATCH,
        Outcome.NO_PHOTO,
        Outcome.NOT_FOUND,
        Outcome.UNKNOWN_VERDICT,
        Outcome.MEDIA_REJECTED,
        Outcome.FAILED,
    }
)
"""Outcomes a later night may rely on instead of asking again, each for as long as its clock says."""


class State(StrEnum):
    """How a run ended (or that it has not)."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_EXCEPTIONS = "completed_with_exceptions"
    STOPPED_BUDGET = "stopped_budget"
    STOPPED_WINDOW = "stopped_window"
    STOPPED_ACCOUNT = "stopped_account"
    STOPPED_NOT_APPROVED = "stopped_not_approved"
    STOPPED_HALTED = "stopped_halted"
    STOPPED_CANCELLED = "stopped_cancelled"
    STOPPED_CANARY = "stopped_canary"
    STOPPED_PROVIDER = "stopped_provider"
    STOPPED_INPUT = "stopped_input"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of input that may be asked: text normalised, nothing sent yet.

    `source_file` is the input's key below the source prefix, hidden in it what may be an id number; `source_row` its
    line as a person counts it (the heading is line 1). `id_number` and `name` are in the form that is sent; `problems`
    are columns that hold nothing that can be sent, with what is wrong (whether that matters depends on the check);
    `warnings` are findings that don't stop it. Media are keys below the profile's media prefix.
    """

    source_file: str
    source_row: int
    customer_no: Personal[str]
    name: Personal[str] | None = None
    id_type: str = ""
    id_number: Personal[str] | None = None
    id_valid_to: str = ""
    org_code: str = ""
    risk_level: str = ""
    due_date: str = ""
    check_reason: str = ""
    purpose: str = ""
    legal_basis: str = ""
    consent_ref: str = ""
    cost_centre: str = ""
    required_check: str = ""
    face_key: Personal[str] | None = None
    card_front_key: Personal[str] | None = None
    card_back_key: Personal[str] | None = None
    video_key: Personal[str] | None = None
    actions: str = ""
    problems: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A line of input that can't be asked: where, which column, why; what could be read of it in `record`."""

    record: Record
    outcome: Outcome
    reason: Reason
    column: str
    detail: str = field(default="")
