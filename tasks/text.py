"""What people read, from one catalogue (``configs/text``), in Chinese, English, or both side by side."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any, Final, Literal

from tasks.settings.load import CONFIGS

Language = Literal["zh", "en", "both"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return a language's texts by dotted key."""
    data = tomllib.loads((CONFIGS / "text" / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{part}.{key}": text for part, texts in data.items() for key, text in texts.items()}


class Text:
    """Texts in the reader's language.

    Args:
        language: ``both`` shows Chinese first, then English.
    """

    def __init__(self, language: Language = "both") -> None:
        self.language = language
        self._parts = LANGUAGES if language == "both" else (language,)

    def __call__(self, key: str, **values: Any) -> str:
        """Return the text of a key, filled in.

        Raises:
            KeyError: the catalogue has no such key.
        """
        return " ".join(dict.fromkeys(catalogue(part)[key].format(**values) for part in self._parts))

    def lines(self, key: str, **values: Any) -> list[str]:
        """Return a sentence once per language, for places where each has a line of its own."""
        return list(dict.fromkeys(catalogue(part)[key].format(**values) for part in self._parts))

    def problem(self, sentence: str) -> str:
        """Return what a reader or a rule says is wrong; the sentence itself where nobody has translated it.

        The catalogue has it under the sentence with ``{}`` for each number.
        """
        key = f"problem.{_NUMBER.sub('{}', sentence)}"
        if key not in catalogue("zh"):
            return sentence
        numbers = _NUMBER.findall(sentence)
        return " ".join(dict.fromkeys(catalogue(part)[key].format(*numbers) for part in self._parts))

    def known(self, part: str, name: str) -> str:
        """Return the text of ``part.name``, or the name itself where there is none (a code of the provider)."""
        key = f"{part}.{name}"
        return self(key) if key in catalogue("zh") else name
