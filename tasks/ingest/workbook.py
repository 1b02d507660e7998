"""The parts of an XLSX package: which sheets there are, which styles show dates, and the strings that cells share."""

from __future__ import annotations

import posixpath
import re
import zipfile
from array import array
from collections.abc import Mapping
from typing import Final

from tasks.ingest.markup import EndlessError, Seen, parse

MOST_PART: Final = 32_000_000
"""Bytes of a part that is held whole: what describes the sheets, not the sheets."""

MOST_STRINGS: Final = 256_000_000
"""Bytes of text that cells may share: the one thing of a workbook that is held, since any cell may point anywhere."""

MOST_CELL: Final = 131_072
_BUILT_IN_DATES: Final = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_NO_DATE_LETTERS: Final = re.compile(r'"[^"]*"|\\.|_.|\[[^\]]*\]')
_DATE_LETTERS: Final = re.compile("[dmyhs]", re.IGNORECASE)
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")


class Workbook:
    """An open package.

    Raises:
        KeyError, ValueError, zipfile.BadZipFile and what else a damaged package makes of reading.
    """

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._packed = packed
        self.part = next(at for kind, at in self._related("").values() if kind == "officeDocument")
        related = self._related(self.part)
        by_kind = dict(related.values())
        self.sheets, self.from_1904 = self._overview(related)
        self.dates = self._date_styles(by_kind.get("styles", ""))
        self.strings = self._shared(by_kind.get("sharedStrings", ""))

    def _related(self, part: str) -> dict[str, tuple[str, str]]:
        """Return what a part refers to, by id: the kind, and the name in the package."""
        folder, name = posixpath.split(part)
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, told: Mapping[str, str]) -> None:
            if tag == "Relationship":
                target = posixpath.normpath(posixpath.join("/", folder, told["Target"])).lstrip("/")
                found[told["Id"]] = (told["Type"].rpartition("/")[2], target)

        self._whole(posixpath.join(folder, "_rels", f"{name}.rels"), Seen(start))
        return found

    def _overview(self, related: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], bool]:
        sheets: dict[str, str] = {}
        epochs = []

        def start(tag: str, told: Mapping[str, str]) -> None:
            if tag == "workbookPr":
                epochs.append(told.get("date1904", "0") not in {"0", "false"})
            elif tag == "sheet":
                kind, at = related[next(told[key] for key in told if key.rpartition(":")[2] == "id")]
                if kind == "worksheet":
                    sheets[told["name"]] = at

        self._whole(self.part, Seen(start))
        return sheets, any(epochs)

    def _date_styles(self, part: str) -> frozenset[str]:
        """Return the numbers of the cell styles that show a number as a date or time, as cells name them."""
        styles = _Styles()
        if part:
            self._whole(part, Seen(styles.start, styles.end))
        return frozenset(str(place) for place, number in enumerate(styles.used) if number in styles.dates)

    def _shared(self, part: str) -> Strings:
        strings = Strings()
        if part:
            with self._packed.open(part) as file:
                for _ in parse(file, Seen(strings.start, strings.end, strings.letters), most=4 * MOST_STRINGS):
                    strings.check()
        return strings

    def _whole(self, part: str, seen: Seen) -> None:
        with self._packed.open(part) as file:
            for _ in parse(file, seen, most=MOST_PART):
                pass


class _Styles:
    """The number formats of the cell styles, in order, and those that show dates."""

    def __init__(self) -> None:
        self.dates = set(_BUILT_IN_DATES)
        self.used: list[int] = []
        self._inside = False

    def start(self, tag: str, told: Mapping[str, str]) -> None:
        if tag == "cellXfs":
            self._inside = True
        elif tag == "xf" and self._inside:
            self.used.append(int(told.get("numFmtId", "0")))
        elif tag == "numFmt" and _DATE_LETTERS.search(_NO_DATE_LETTERS.sub("", told["formatCode"])):
            self.dates.add(int(told["numFmtId"]))

    def end(self, tag: str) -> None:
        if tag == "cellXfs":
            self._inside = False


class Strings:
    """The shared strings, as bytes one after the other: a tenth of what as many text objects would take."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])
        self._taking = self._spoken = False

    def __getitem__(self, place: int) -> str:
        if place < 0:
            raise IndexError
        return self._bytes[self._ends[place] : self._ends[place + 1]].decode("utf-8", "surrogatepass")

    def start(self, tag: str, _told: Mapping[str, str]) -> None:
        """Take up a tag; how a string is spoken is no part of it."""
        if tag == "rPh":
            self._spoken = True
        elif tag == "t":
            self._taking = not self._spoken

    def letters(self, text: str) -> None:
        """Take up text; of one string no more than makes it too long."""
        if self._taking and len(self._bytes) - self._ends[-1] <= 4 * MOST_CELL:
            self._bytes += text.encode("utf-8", "surrogatepass")

    def end(self, tag: str) -> None:
        """Take up the end of a tag."""
        if tag == "t":
            self._taking = False
        elif tag == "rPh":
            self._spoken = False
        elif tag == "si":
            self._ends.append(len(self._bytes))

    def check(self) -> None:
        """Refuse more than can be held."""
        if len(self._bytes) > MOST_STRINGS:
            raise EndlessError


def unescaped(text: str) -> str:
    """Return a cell's text with what XLSX writes as ``_x000D_`` put back."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text
