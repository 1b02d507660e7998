"""Records and the words for what is asked of them and what becomes of them.

`model` holds the types; `numbers` and `names` the rules for identity numbers and names (reference 7).
"""

from tasks.records.model import (
    CHANNEL,
    MAY_BE_ASKED_AGAIN,
    NEEDS_A_PERSON,
    OPERATIONS,
    PAID_ANSWERS,
    Family,
    Operation,
    OperationFacts,
    Outcome,
    Reason,
    Record,
    RejectedRow,
    State,
)

__all__ = [
    "CHANNEL",
    "MAY_BE_ASKED_AGAIN",
    "NEEDS_A_PERSON",
    "OPERATIONS",
    "PAID_ANSWERS",
    "Family",
    "Operation",
    "OperationFacts",
    "Outcome",
    "Reason",
    "Record",
    "RejectedRow",
    "State",
]
