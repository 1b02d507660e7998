"""XML from strangers, piece by piece: no document type, no entities of its own, no tag and no part without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Final
from xml.parsers import expat

PIECE: Final = 1 << 16
MOST_TAG: Final = 1 << 22

Start = Callable[[str, Mapping[str, str]], None]
End = Callable[[str], None]
Letters = Callable[[str], None]


class EndlessError(Exception):
    """A part unpacks to more than its bound."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What to call for each tag that opens or closes, by its name without a prefix, and for the text between."""

    start: Start
    end: End = lambda _name: None
    letters: Letters = lambda _text: None


def parse(part: IO[bytes], seen: Seen, *, most: int) -> Iterator[None]:
    """Go through a part's XML; pauses after each piece, so that what was seen can be handed on.

    Raises:
        EndlessError: more than `most` bytes.
        ExpatError, ValueError: no XML, damaged, or with a document type.
    """
    parser = _parser(seen)
    fed = 0
    while piece := part.read(PIECE):
        fed += len(piece)
        if fed > most:
            raise EndlessError
        parser.Parse(piece, False)
        if fed - parser.CurrentByteIndex > MOST_TAG:
            raise ValueError("a tag without end")
        yield
    parser.Parse(b"", True)
    yield


def _parser(seen: Seen) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, told: seen.start(tag.rpartition(":")[2], told)
    parser.EndElementHandler = lambda tag: seen.end(tag.rpartition(":")[2])
    parser.CharacterDataHandler = seen.letters
    parser.StartDoctypeDeclHandler = _refuse
    return parser


def _refuse(*_told: object) -> None:
    raise ValueError("a document type")
