"""Read a source: pinned objects become records, or rejected rows with file, row, column and reason; never the value."""

from tasks.ingest.errors import InputError
from tasks.ingest.inspection import FileReport, SourceReport, inspect_source
from tasks.ingest.source import PinnedInput, pin, read_source

__all__ = ["FileReport", "InputError", "PinnedInput", "SourceReport", "inspect_source", "pin", "read_source"]
