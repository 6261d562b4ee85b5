"""Metadata, references and times as people type them."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson

from core.atoms.atoms import Value
from core.errors import InvalidInput
from core.search.filters import Filter

OPERATORS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
CONDITION = re.compile(r"([^=<>]+)(<=|>=|=|<|>)(.*)", re.DOTALL)


def metadata_of(entries: Sequence[str]) -> dict[str, Value | None]:
    """Metadata from `KEY=VALUE`; a repeated key makes a list of texts, an empty value removes the key."""
    found: dict[str, Value | None] = {}
    for entry in entries:
        key, is_pair, text = entry.partition("=")
        if not is_pair or not key.strip():
            raise InvalidInput(f"{entry!r} is not metadata; write KEY=VALUE, such as status=open.")
        key = key.strip()
        if key in found:
            before = found[key]
            found[key] = [*(before if isinstance(before, list) else [str(before)]), text]
        else:
            found[key] = value_of(text) if text else None
    return found


def conditions_of(entries: Sequence[str]) -> Filter:
    """A search filter from `KEY=VALUE`, `KEY<VALUE` and so on."""
    equal: dict[str, Value] = {}
    compared: dict[str, dict[str, Value]] = {}
    for entry in entries:
        match = CONDITION.fullmatch(entry)
        if not match or not match[3]:
            raise InvalidInput(f"{entry!r} is not a condition; write KEY=VALUE, or use <, <=, > or >= for =.")
        key, operator, value = match[1].strip(), match[2], value_of(match[3])
        if operator == "=":
            equal[key] = value
        else:
            compared.setdefault(key, {})[OPERATORS[operator]] = value
    return {**equal, **compared}


def references_of(entries: Sequence[str]) -> dict[str, list[str]]:
    """References from `NAME=SPACE/ATOM`; a name may be repeated."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        name, _, atom = entry.partition("=")
        if not name or not atom:
            raise InvalidInput(f"{entry!r} is not a reference; write NAME=SPACE/ATOM, like about=notes/k3v9w2m4q8zt.")
        found.setdefault(name, []).append(atom)
    return found


def value_of(text: str) -> Value:
    """A number, true, false, a time with an offset or a list of texts if it looks like one; otherwise the text.

    JSON quotes keep a number text; a whole number beyond 64 bits is always text.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _time(text) or text
    if text.strip("- ").isdigit() and not -(2**63) <= value < 2**63:
        return text
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list) and all(isinstance(member, str) for member in value):
        return value
    return text


def moment_of(text: str, zone: ZoneInfo) -> datetime:
    """A time from ISO text, in `zone` unless it has an offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is not a time; write 2026-12-24T18:00, or add an offset at the end.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def atom_parts(name: str) -> tuple[str, str]:
    """The space's name and the atom's id from `SPACE/ATOM`."""
    space, _, id = name.partition("/")
    if not space or not id:
        raise InvalidInput(f"{name!r} does not name an atom; write SPACE/ATOM, the way listings show it in brackets.")
    return space, id


def _time(text: str) -> datetime | None:
    """A time with an offset; a date alone stays text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
