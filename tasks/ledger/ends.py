"""What decides a record: of all that was written of it, the latest. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Written = Any
"""A row of `calls` or of `unsent`."""


def deciding(calls: Sequence[Written], unsent: Written | None) -> Written | None:
    """Return the call or note that says how a record ended, or None where nothing does.

    Args:
        calls: the run's calls for the record, oldest first.
        unsent: what is written of it where no call of the run decided.
    """
    last = next((call for call in reversed(calls) if call.outcome or call.open or call.state == "in_doubt"), None)
    if unsent is None or last is None:
        return last or unsent
    return unsent if unsent.at_us >= (last.ended_us or last.sent_us) else last


def written_off(call: Written) -> bool:
    """Tell whether a person ended a call that had no usable answer."""
    return bool(call.outcome == "failed" and (call.state == "in_doubt" or call.answer == "unreadable"))
