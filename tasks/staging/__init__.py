"""What a plan leaves in the store until its run has ended: masked rows, and chunks of what will be asked; sealed."""

from tasks.staging.kept import keep, kept_parts, listed
from tasks.staging.parts import Manifest, Part, Staging, StagingError
from tasks.staging.tables import CHUNKS, MEDIA_KINDS, ROW_TEXT, ROWS

__all__ = [
    "CHUNKS",
    "MEDIA_KINDS",
    "ROWS",
    "ROW_TEXT",
    "Manifest",
    "Part",
    "Staging",
    "StagingError",
    "keep",
    "kept_parts",
    "listed",
]
