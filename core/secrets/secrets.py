"""Secrets: known to agents by name only; the tool that needs one is given its value, outside the sandbox."""

import base64
import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import quote, quote_plus

from core.errors import InvalidInput, NotFound, StoaError
from core.secrets.vault import Vault

SECRET_VARIABLE_PREFIX = "STOA_SECRET_"
SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MIN_SECRET_CHARS = 6
"""Shorter values are not looked for in texts: they would be found everywhere."""
MAX_SECRET_CHARS = 100_000
MIN_LINE_CHARS = 16
"""From this length on, each line of a value is looked for by itself, too."""


class Secrets:
    """The secrets of this house: those in its vault, and those in variables such as `STOA_SECRET_BANK_TOKEN`.

    A variable wins over the vault. What is set or removed in the vault counts at once, in every process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, vault: Vault | None = None) -> None:
        given = os.environ if environment is None else environment
        self._given = {
            name.removeprefix(SECRET_VARIABLE_PREFIX): value
            for name, value in given.items()
            if name.startswith(SECRET_VARIABLE_PREFIX)
        }
        self._vault = vault
        self._mark = -1
        self._values = self._given
        self._look_for(self._given)

    def names(self) -> list[str]:
        """All names that may be used; never a value."""
        return sorted({*self._given, *(self._vault.names() if self._vault else ())})

    def given(self) -> list[str]:
        return sorted(self._given)

    def value(self, name: str) -> str:
        """For tools only. Raises `NotFound` with how to set it."""
        check_name(name)
        values = self._current()
        if name not in values:
            raise NotFound(
                f"There is no secret {name}. Set it with `stoa secret set {name}`, or set "
                f"{SECRET_VARIABLE_PREFIX}{name} in the environment and start Stoa again."
            )
        return values[name]

    def redacted(self, text: str) -> str:
        """The text with every value, in any usual encoding, replaced by its name; for logs and errors."""
        with contextlib.suppress(StoaError, OSError):  # values that cannot be read cannot have come into a text
            self._current()
        return self._pattern.sub(self._name_of, text) if self._pattern else text

    def piece(self, text: str, start: int, end: int) -> str:
        """The characters of a text from `start` to `end`, redacted; also of a value that only begins or ends there.

        Only what is near is looked at: the text may be very long.
        """
        with contextlib.suppress(StoaError, OSError):
            self._current()
        if not self._pattern:
            return text[start:end]
        found, at = [], start
        for match in self._pattern.finditer(text, max(0, start - self._longest), end + self._longest):
            if match.end() > start and match.start() < end:
                found += [text[at : match.start()], self._name_of(match)]
                at = match.end()
        return "".join([*found, text[at:end]])

    def without(self, value: Any) -> Any:
        with contextlib.suppress(StoaError, OSError):
            self._current()
        return self._without(value) if self._pattern else value

    def _without(self, value: Any) -> Any:
        match value:
            case str():
                return self._pattern.sub(self._name_of, value) if self._pattern else value
            case bytes():
                return self._without(value.decode(errors="replace")).encode() if self._found_in(value) else value
            case Mapping():
                return {self._without(key): self._without(one) for key, one in value.items()}
            case list():
                return [self._without(one) for one in value]
            case tuple() | set() | frozenset():
                return type(value)(self._without(one) for one in value)
        if is_dataclass(value) and not isinstance(value, type):
            held = {one.name: getattr(value, one.name) for one in fields(value) if one.init}
            clean = {name: self._without(one) for name, one in held.items()}
            return value if clean == held else replace(value, **clean)
        return value

    def _found_in(self, data: bytes) -> bool:
        return bool(self._pattern and self._pattern.search(data.decode(errors="replace")))

    def _current(self) -> Mapping[str, str]:
        mark = self._vault.mark() if self._vault else 0
        if self._vault and mark != self._mark:
            self._values = {**self._vault.read(), **self._given}
            self._look_for(self._values)
            self._mark = mark
        return self._values

    def _look_for(self, values: Mapping[str, str]) -> None:
        forms = {form: name for name, value in values.items() for form in _forms(value)}
        self._names = {form.casefold(): name for form, name in forms.items()}
        longest = sorted(forms, key=len, reverse=True)
        self._longest = len(longest[0]) if longest else 0
        self._pattern = re.compile("|".join(map(re.escape, longest)), re.IGNORECASE) if longest else None

    def _name_of(self, match: re.Match[str]) -> str:
        return f"[secret {self._names.get(match[0].casefold(), '')}]".replace(" ]", "]")

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self.names())})"


def check_name(name: str) -> None:
    if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} cannot name a secret; use capitals, digits and _, such as BANK_TOKEN")


def check_value(value: str) -> None:
    """Raises `InvalidInput` for a value that is too short to be kept out of logs, or too long."""
    if len(value) < MIN_SECRET_CHARS:
        raise InvalidInput(
            f"The value has {len(value)} characters; one with fewer than {MIN_SECRET_CHARS} cannot be kept out of logs."
        )
    if len(value) > MAX_SECRET_CHARS:
        raise InvalidInput(f"The value has {len(value):,} characters, {MAX_SECRET_CHARS:,} is the most.")


def _forms(value: str) -> Iterator[str]:
    """The forms of a value in a text: as it is, line by line, and in usual encodings."""
    for text in {value, *(line for line in value.splitlines() if len(line) >= MIN_LINE_CHARS)}:
        if len(text) < MIN_SECRET_CHARS:
            continue
        yield from {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
        yield from {quote(text), quote(text, safe=""), quote_plus(text)}
        data = text.encode()
        yield data.hex()
        for padding in range(3):  # base64 of something that has it inside, at each of the three places it can begin
            first = -(-padding * 8 // 6)
            last = (padding + len(data)) * 8 // 6
            encoded = base64.b64encode(b"\0" * padding + data).decode()[first:last]
            if len(encoded) >= MIN_SECRET_CHARS:
                yield from {encoded, encoded.translate(str.maketrans("+/", "-_"))}
