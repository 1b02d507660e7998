"""How an input was read, in words: form, encoding and where that is known from, and what parts its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tasks.text import Text

Read = Mapping[str, Any]
MOST_ENDINGS: Final = 8


def how_read(reading: Read, text: Text) -> str:
    """Return one line of it."""
    parts = (text(f"inputs.{reading['form']}"), encoding(reading, text))
    between = delimiter(reading, text)
    return " · ".join(filter(None, (*parts, between and f"{text('inputs.delimiter')} `{between}`")))


def encoding(reading: Read, text: Text) -> str:
    """Return the encoding, and where it is known from; nothing of a form that is no text."""
    name = str(reading["encoding"])
    known_by = f"inputs.by_{reading['known_by']}"
    return f"{name.upper()} ({text(known_by)})" if name else ""


def delimiter(reading: Read, text: Text) -> str:
    """Return what parts the cells, so that it can be seen."""
    told = str(reading["delimiter"])
    return text("inputs.tab") if told == "\t" else told if told.isprintable() else repr(told).strip("'")


def endings(others: Mapping[str, int], text: Text) -> str:
    """Return how the names of what nobody read end, the most frequent first: ``.jpg 1,000 · .xls 2``."""
    told = [f"{ending or text('inputs.no_ending')} {count:,}" for ending, count in others.items()]
    return " · ".join([*told[:MOST_ENDINGS], *(["…"] if len(told) > MOST_ENDINGS else [])])


def could_be_big5(inputs: Mapping[str, Any]) -> bool:
    """Tell whether a file was taken for GB18030 by its bytes, from which Big5 can't be told."""
    return any((kind["encoding"], kind["known_by"]) == ("gb18030", "bytes") for kind in inputs.get("kinds", []))
