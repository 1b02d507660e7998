"""Values that must not be seen: they print as dots, and leave this process only as keyed pseudonyms.

`Personal` is what belongs to a person (names, numbers, customer keys, object keys, pictures), `Secret` what opens a
door (keys, tokens, passwords). Both give their value only to code that asks for it by `reveal()`, so a value that slips
into a log line, an exception or a repr shows nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NoReturn, TypeVar

T = TypeVar("T", str, bytes)

DOTS: Final = "•••"


class _Hidden(Generic[T]):
    """A value that prints as dots, compares by value and can't be pickled by accident."""

    __slots__ = ("_value",)
    _value: T

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value itself; every caller is a place to look at in a review."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({DOTS})"

    def __str__(self) -> str:
        return DOTS

    def __format__(self, _spec: str) -> str:
        return DOTS

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._value == self._value

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __reduce__(self) -> NoReturn:
        msg = f"{type(self).__name__} values are not pickled"
        raise TypeError(msg)


class Personal(_Hidden[T]):
    """Something that belongs to a person."""

    __slots__ = ()


class Secret(_Hidden[T]):
    """Something that opens a door."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """One key of the keyring: a public id that is written beside each pseudonym, and the key itself."""

    key_id: str
    key: Secret[bytes]


class Pseudonyms:
    """Keyed pseudonyms (HMAC-SHA256) under the newest key; older keys are held so that old rows can be found.

    Args:
        keys: newest first, at least one; each at least 32 bytes.

    Raises:
        ValueError: no key, or a key that is too short to keep 18-digit numbers from being enumerated.
    """

    def __init__(self, keys: Sequence[PseudonymKey]) -> None:
        if not keys:
            raise ValueError("no pseudonym key: set one in the environment or in a file")
        for key in keys:
            if len(key.key) < 32:
                raise ValueError(f"pseudonym key {key.key_id!r} is shorter than 32 bytes")
        self._keys = tuple(keys)
        self._base = tuple(hmac.new(key.key.reveal(), digestmod=hashlib.sha256) for key in keys)

    @property
    def key_id(self) -> str:
        """Id of the key new pseudonyms are made with."""
        return self._keys[0].key_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of all keys held, newest first."""
        return tuple(key.key_id for key in self._keys)

    def of(self, domain: str, *parts: str) -> str:
        """Return the pseudonym of `parts` in `domain`, 32 letters and digits, under the newest key."""
        return self._digest(0, domain, parts)

    def all_of(self, domain: str, *parts: str) -> tuple[str, ...]:
        """Return the pseudonyms under every key held, newest first: for looking up what an older key wrote."""
        return tuple(self._digest(index, domain, parts) for index in range(len(self._keys)))

    def sealing_keys(self) -> tuple[bytes, ...]:
        """Return 32 bytes derived from each key held, newest first: what is staged is sealed under the first."""
        return tuple(hmac.digest(key.key.reveal(), b"staging", hashlib.sha256) for key in self._keys)

    def _digest(self, index: int, domain: str, parts: Iterable[str]) -> str:
        digest = self._base[index].copy()
        texts = [part.encode("utf-8", "surrogatepass") for part in (domain, *parts)]
        digest.update(b"".join([len(text).to_bytes(4, "big") + text for text in texts]))
        return _letters(digest.digest()[:20])


_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_PLACES: Final = tuple(range(150, -1, -10))


def _letters(digest: bytes) -> str:
    """Return 20 bytes in base32, lower case; two letters at a time, since every planned row needs it three times."""
    number = int.from_bytes(digest, "big")
    return "".join([_PAIRS[number >> place & 1023] for place in _PLACES])


def mask_number(number: str) -> str:
    """Return an identity number with its middle hidden, as people must sometimes see it: ``440524********0014``."""
    if len(number) < 12:
        return "*" * len(number)
    return number[:6] + "*" * (len(number) - 10) + number[-4:]


def mask_name(name: str, *, whole: bool = False) -> str:
    """Return a name with all but its first character hidden, or all of it: ``张*``, ``阿***``, ``**``."""
    return ("*" if whole else name[:1]) + "*" * min(max(len(name) - 1, 0), 3)


_LONG_NUMBER: Final = re.compile(r"\d{9,}[xX]?")
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_PERSONS_NUMBER: Final = re.compile(r"\d{15,}[xX]?")
_MOMENT: Final = re.compile(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d([0-5]\d(\d{3})?)?")


def shown(text: str) -> str:
    """Return a heading, or a file's name, as it may be printed: on one line, no long number readable but a time."""
    plain = "".join(letter for letter in text.strip()[:200] if letter.isprintable())
    return _LONG_NUMBER.sub(_unless_a_moment, plain)


def file_names(keys: Iterable[str]) -> Iterator[str]:
    """Yield what inputs are called in ledger, tables and reports: their keys, what may be an id number in them hidden.

    What can't be seen, or is no text (a name that isn't UTF-8), becomes U+FFFD. Keys that would be called the same are
    told apart by their place in the list: ``4405**************.csv~2``.
    """
    seen: Counter[str] = Counter()
    for key in keys:
        hidden = _PERSONS_NUMBER.sub(_unless_a_moment, _UNSEEN.sub("\ufffd", key))
        if hidden == key:
            yield key
            continue
        seen[hidden] += 1
        yield hidden if seen[hidden] == 1 else f"{hidden}~{seen[hidden]}"


def _unless_a_moment(found: re.Match[str]) -> str:
    number = found[0]
    return number if _MOMENT.fullmatch(number) else f"{number[:4]}{'*' * (len(number) - 4)}"


_RUNS_AS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def defuse(cell: str) -> str:
    """Return text that a spreadsheet shows and does not run: a leading apostrophe where a formula would start."""
    return (
        "'" + cell
        if cell.lstrip(" \u3000\n").startswith(_RUNS_AS_FORMULA) or cell.startswith(_RUNS_AS_FORMULA)
        else cell
    )
