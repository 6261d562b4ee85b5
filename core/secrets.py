"""Secrets: known to agents by name only; the tool that needs one is given its value, outside the sandbox."""

import os
import re
from collections.abc import Mapping

from core.errors import InvalidInput, NotFound

PREFIX = "STOA_SECRET_"
NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
SHORTEST = 6
"""Shorter values are not looked for in texts: they would be found everywhere."""


class Secrets:
    """The secrets of this house, from variables such as `STOA_SECRET_BANK_TOKEN`."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._values = {name.removeprefix(PREFIX): value for name, value in given.items() if name.startswith(PREFIX)}

    def names(self) -> list[str]:
        """What may be named; never a value."""
        return sorted(self._values)

    def value(self, name: str) -> str:
        """The value behind a name; for tools only. Raises `NotFound` saying how to set it."""
        if not NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} cannot name a secret; use capitals, digits and _, such as BANK_TOKEN")
        if name not in self._values:
            raise NotFound(f"There is no secret {name}. Set {PREFIX}{name} in the environment and start Stoa again.")
        return self._values[name]

    def redacted(self, text: str) -> str:
        """The text with every value replaced by its name, for logs and errors."""
        for name, value in self._values.items():
            if len(value) >= SHORTEST:
                text = text.replace(value, f"[secret {name}]")
        return text

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self.names())})"
