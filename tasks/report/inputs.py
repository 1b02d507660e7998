"""How an input was read, in words: form, encoding and where that is known from, and what parts its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.text import Text

Read = Mapping[str, Any]


def how_read(reading: Read, text: Text) -> str:
    """Return one line of it."""
    parts = (text(f"inputs.{reading['form']}"), encoding(reading, text), delimiter(reading, text))
    return " · ".join(filter(None, parts))


def encoding(reading: Read, text: Text) -> str:
    """Return the encoding, and where it is known from; nothing of a form that is no text."""
    name = str(reading["encoding"])
    known_by = f"inputs.by_{reading['known_by']}"
    return f"{name.upper()} ({text(known_by)})" if name else ""


def delimiter(reading: Read, text: Text) -> str:
    """Return what parts the cells, so that it can be seen."""
    told = str(reading["delimiter"])
    return text("inputs.tab") if told == "\t" else told if told.isprintable() else repr(told).strip("'")


def could_be_big5(inputs: Mapping[str, Any]) -> bool:
    """Tell whether a file was taken for GB18030 by its bytes, from which Big5 can't be told."""
    return any((kind["encoding"], kind["known_by"]) == ("gb18030", "bytes") for kind in inputs.get("kinds", []))
