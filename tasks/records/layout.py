"""What a profile may say about sources that don't explain themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Layout:
    """Hints for reading; all of them optional.

    Attributes:
        headings: the columns of text files that have no heading row, in order.
        sheet: the sheet of an XLSX file that holds the records, where several could.
        partition: a `strftime` pattern of a folder, for instance ``dt=%Y%m%d``: of all inputs only those in the
            business date's folder are read.
        id_types: how the sender calls or codes a resident identity card, beside the usual words and codes.
        media_keys: key templates for records whose row names no object: ``face_key`` to ``faces/{customer_no}.jpg``.
    """

    headings: tuple[str, ...] = ()
    sheet: str = ""
    partition: str = ""
    id_types: tuple[str, ...] = ()
    media_keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
