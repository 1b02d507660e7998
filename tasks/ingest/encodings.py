"""How a text file is written, told from its bytes: a byte-order mark, UTF-16 by its zeros, UTF-8, GB18030.

Big5 can't be told from GB18030: the profile names it.
"""

from __future__ import annotations

import codecs
from typing import BinaryIO, Final

from tasks.ingest.errors import InputError

SAMPLE: Final = 1 << 20
MOST_BROKEN: Final = 0.1
"""A file stays what it is, with bad rows in it, up to this share of unreadable among its characters beyond ASCII."""

ADVICE: Final = "set source.encoding in the profile"
_WIDER: Final = {"utf-8": "utf-8-sig", "gbk": "gb18030", "gb2312": "gb18030"}
"""What is read instead of what a profile names: the same text, and more of it."""

NO_TEXT: Final = "no text: by its first bytes it is a workbook, Parquet or packed; give it the ending of what it is"
_OTHER_FORMS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def detect(file: str, stream: BinaryIO, given: str = "") -> tuple[str, str]:
    """Return a stream's encoding, and the text it begins with.

    A beginning that is plain ASCII proves nothing, so it is read on to the first byte that is not.

    Raises:
        InputError: the file is empty or no text, no encoding fits, or `given` is not one.
    """
    sample = _read(stream)
    if not sample.strip(b"\0 \t\r\n\xef\xbb\xbf\xfe\xff"):
        raise InputError(file, "the file is empty")
    if sample.startswith(_OTHER_FORMS):
        raise InputError(file, NO_TEXT)
    name = _known(file, given) if given else _told(file, sample, stream)
    return name, _decoded(sample, name)


def _known(file: str, given: str) -> str:
    try:
        "a".encode(given)
    except LookupError:
        raise InputError(file, f"{given!r} is no text encoding: {ADVICE}") from None
    return _WIDER.get(codecs.lookup(given).name, given)


def _told(file: str, sample: bytes, stream: BinaryIO) -> str:
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if even + odd > len(sample) / 10 and min(even, odd) < max(even, odd) / 10:  # not cells filled up with zeros
        return "utf-16-le" if odd > even else "utf-16-be"
    telling = sample
    while telling and telling.isascii():
        telling = _read(stream)
    utf8, gb18030 = _broken_share(telling, "utf-8"), _broken_share(telling, "gb18030")
    if utf8 <= MOST_BROKEN:
        return "utf-8"
    if gb18030 <= MOST_BROKEN:
        return "gb18030"
    raise InputError(file, f"neither UTF-8 nor GB18030 text: {ADVICE}")


def _broken_share(data: bytes, name: str) -> float:
    text = _decoded(data, name)
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    return text.count("\ufffd") / beyond if beyond else 0.0


def _decoded(data: bytes, name: str) -> str:
    return codecs.getincrementaldecoder(name)("replace").decode(data, final=False)


def _read(stream: BinaryIO) -> bytes:
    """Read up to a sample's size, however little the stream gives at a time."""
    parts, size = [], 0
    while size < SAMPLE and (part := stream.read(SAMPLE - size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
