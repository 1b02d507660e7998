"""What decides a record: of all that was written of it, the latest that stands. Pure.

A decision sets aside what it takes out of force: a redrive the ends of the records it asks again, a void every call of
its run. What is set aside still tells how a record ended for as long as nothing newer does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Written = Any
"""A row of `calls` or of `unsent`."""


def deciding(calls: Sequence[Written], unsent: Written | None) -> Written | None:
    """Return the call or note that says how a record ended, or None where nothing does.

    Args:
        calls: the run's calls for the record, oldest first.
        unsent: what is written of it where no call of the run decided.
    """
    ends = [call for call in calls if call.outcome or call.open or call.state == "in_doubt"]
    written = sorted([*ends, *([unsent] if unsent is not None else [])], key=_when)
    standing = [one for one in written if not one.set_aside]
    return next(reversed(standing or written), None)


def ended(calls: Iterable[Written], notes: Iterable[Written]) -> set[str]:
    """Return the records that need no further call in this run: an end of theirs stands, or they wait for a person."""
    called = {call.record_ref for call in calls if call.open or (call.outcome and not asked_again(call))}
    return called | {note.record_ref for note in notes if not note.set_aside}


def asked_again(written: Written) -> bool:
    """Tell whether a redrive set this aside, so that its run asks again; what is void is never asked in its own run."""
    return bool(written.set_aside) and not getattr(written, "voided", 0)


def written_off(call: Written) -> bool:
    """Tell whether a person ended a call that had no usable answer."""
    return bool(call.outcome == "failed" and (call.state == "in_doubt" or call.answer == "unreadable"))


def _when(written: Written) -> int:
    if hasattr(written, "at_us"):
        return int(written.at_us)
    return int(written.ended_us or written.sent_us)
