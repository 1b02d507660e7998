"""Secrets: read from the environment or from files, when they are needed, and never printed.

Each is looked for as ``IVS_BACKFILL_<NAME>`` and then as the path of a file in ``IVS_BACKFILL_<NAME>_FILE``.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tasks.privacy import PseudonymKey, Pseudonyms, Secret

PREFIX: Final = "IVS_BACKFILL_"


class MissingSecretError(Exception):
    """A secret is not set or can't be used: its name, and how to set it; never its value."""


class Secrets:
    """The source of secrets; injected, so that tests and the demo bring their own.

    Args:
        environment: the variables to look in; the process's own by default.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def get(self, name: str) -> Secret[str]:
        """Return the secret `name`, for instance ``ACCESS_KEY``.

        Raises:
            MissingSecretError: neither the variable nor the file is there.
        """
        found = self.find(name)
        if found is None:
            variable = PREFIX + name
            raise MissingSecretError(f"secret {variable} is not set: set it, or {variable}_FILE to the path of a file")
        return found

    def find(self, name: str) -> Secret[str] | None:
        """Return the secret `name`, or None where it is not set.

        Raises:
            MissingSecretError: a file is named and can't be read.
        """
        variable = PREFIX + name
        if value := self._environment.get(variable):
            return Secret(value)
        path = self._environment.get(variable + "_FILE")
        if not path:
            return None
        try:
            return Secret(Path(path).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            raise MissingSecretError(f"the file named by {variable}_FILE can't be read") from None

    def place(self, name: str) -> str:
        """Return where the secret `name` comes from: ``environment``, ``file``, or nothing where it is not set."""
        variable = PREFIX + name
        if self._environment.get(variable):
            return "environment"
        return "file" if self._environment.get(variable + "_FILE") else ""

    def pseudonyms(self) -> Pseudonyms:
        """Return the pseudonym keys, from ``PSEUDONYM_KEYS``: lines or commas of ``id:base64``, newest first.

        Raises:
            MissingSecretError: not set, or not in that form.
        """
        text = self.get("PSEUDONYM_KEYS").reveal()
        try:
            keys = [_key(line) for line in text.replace(",", "\n").split() if line]
            return Pseudonyms(keys)
        except (ValueError, binascii.Error):
            raise MissingSecretError(
                f"{PREFIX}PSEUDONYM_KEYS must be 'id:base64' items, newest first, each key of 32 bytes or more"
            ) from None


def _key(line: str) -> PseudonymKey:
    key_id, _, encoded = line.partition(":")
    if not key_id or not encoded:
        raise ValueError("form")
    return PseudonymKey(key_id, Secret(base64.b64decode(encoded, validate=True)))
