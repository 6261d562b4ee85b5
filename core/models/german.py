"""The answers of the built-in model in German, from the table german.toml."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

_DAY = r"today|tomorrow|yesterday|heute|morgen|gestern|(?:this|next|last) week|(?:diese|nächste|letzte) woche|on [A-Z]"
_WHEN = rf"(?:{_DAY}|\d\d:\d\d|[A-Z][a-z]+day)[^:]*?(?:\d\d:\d\d[^:]*?)?"


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((files("core.models") / "german.toml").read_text("utf-8"))


@cache
def _lines() -> Sequence[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(re.sub(r"\\\{(\w+)\\\}", _slot, re.escape(english))), german)
        for english, german in _table()["lines"].items()
    ]


def _slot(name: re.Match[str]) -> str:
    return f"(?P<{name[1]}>{_WHEN if name[1] == 'when' else '.+?'})"


def is_german(texts: Sequence[str]) -> bool:
    """True if the last of these texts whose language shows is German."""
    marks, others = set(_table()["marks"]), set(_table()["others"])
    for text in reversed(texts):
        words = set(re.findall(r"\w+", text[:1_000].lower()))
        german, other = len(words & marks), len(words & others)
        if german != other or german:
            return german > other
    return False


def in_german(answer: str) -> str:
    """The answer with each line that the table knows in German; what a person wrote stays as it is."""
    return "\n".join(map(_translated, answer.split("\n")))


def _translated(line: str) -> str:
    for pattern, german in _lines():
        if said := pattern.fullmatch(line):
            values = {
                name: _time(text) if name in ("when", "rule") else text for name, text in said.groupdict().items()
            }
            line = german.format(**values)
            return line[:1].upper() + line[1:]
    return line


def _time(words: str) -> str:
    for english, german in _table()["times"].items():
        words = re.sub(english, german, words)
    return words
