"""How the inputs of a plan were read: each while they are few, and counted by how they were read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

NAMED: Final = 20
"""Inputs that are told one by one; of more only how many were read in each way."""

UNREADABLE: Final = "unreadable"
_ENDING: Final = re.compile(r"\.[a-z][a-z0-9]{0,7}")
_MOST_ENDINGS: Final = 50


@dataclass(frozen=True, slots=True)
class Reading:
    """One way of reading a file; `known_by` tells where the encoding is known from: mark, bytes, profile or form."""

    form: str
    encoding: str = ""
    known_by: str = "form"
    delimiter: str = ""


class Inputs:
    """Takes inputs as they are read, and tells of them what a plan remembers; its size has a bound."""

    def __init__(self) -> None:
        self._first: dict[str, Reading] = {}
        self._kinds: Counter[Reading] = Counter()
        self.others: Counter[str] = Counter()

    def pass_by(self, key: str) -> None:
        """Take an object that is no input: only how its name ends is remembered, where that looks like an ending."""
        if key.endswith("/"):  # a folder's own object
            return
        ending = key[key.rfind(".") :].lower() if "." in key.rpartition("/")[2] else ""
        if not _ENDING.fullmatch(ending) or (len(self.others) >= _MOST_ENDINGS and ending not in self.others):
            ending = ""
        self.others[ending] += 1

    def read(self, name: str, reading: Reading) -> None:
        """Take an input that was opened, as it is called in tables."""
        self._kinds[reading] += 1
        if sum(self._kinds.values()) <= NAMED:
            self._first[name] = reading

    def summary(self, rows: Mapping[str, int]) -> dict[str, Any]:
        """Return what a plan remembers: `kinds` always, `files` where all can be named; `rows` are counted by name.

        `others` counts the objects beside them that nobody reads, by their ending.
        """
        others = dict(self.others.most_common())
        kinds = [asdict(kind) | {"files": count} for kind, count in self._kinds.most_common()]
        if sum(self._kinds.values()) > NAMED:
            return {"files": [], "kinds": kinds, "others": others}
        files = [{"file": name, "rows": rows.get(name, 0)} | asdict(one) for name, one in self._first.items()]
        return {"files": files, "kinds": kinds, "others": others}
