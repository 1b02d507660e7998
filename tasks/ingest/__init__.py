"""Read a source: pinned objects become records, or rejected rows with file, row, column and reason; never the value."""

from tasks.ingest.awaited import Patience, last_moment, when_complete
from tasks.ingest.errors import IncompleteError, InputError
from tasks.ingest.inspection import FileReport, Problem, SourceReport, inspect_source
from tasks.ingest.pinned import PinnedInput, pin
from tasks.ingest.source import pin_source, read_inputs, read_profile, read_source

__all__ = [
    "FileReport",
    "IncompleteError",
    "InputError",
    "Patience",
    "PinnedInput",
    "Problem",
    "SourceReport",
    "inspect_source",
    "last_moment",
    "pin",
    "pin_source",
    "read_inputs",
    "read_profile",
    "read_source",
    "when_complete",
]
