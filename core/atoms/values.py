"""Values that agents' code is given, and their form on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any

import orjson

from core.atoms.atoms import Atom, Attachment, Labelled, Link, Metadata, Origin, Passage, References, Version


@dataclass(frozen=True, slots=True)
class Notice(Labelled):
    """A change that woke an agent: the atom as it was found then, with the change's own comment."""

    id: str
    space: str
    operation: str
    comment: str
    author: str
    origin: Origin
    content: str = ""
    metadata: Metadata = field(default_factory=dict)
    references: References = field(default_factory=dict)
    version: int = 0
    outside: bool = False
    """True if outside text had a hand in the atom or in this change of it."""
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: `at` as ISO text with its offset, `words` as one says it ("tomorrow at 09:00")."""

    at: str
    words: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """An agent just spawned, and the direct-message space shared with it."""

    id: str
    space: str


@dataclass(frozen=True, slots=True)
class NewSpace:
    """A space just created; agents' code gets the space itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Child:
    """An agent that one spawned: `status` is new (no turn yet), working, waiting or idle."""

    id: str
    space: str
    task: str
    status: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a text in the house, from one character to another: `of` is an atom, or a file of one."""

    of: str
    start: int
    end: int


VALUE_CLASSES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Atom, Link, Attachment, Passage, Version, Notice, Moment, Spawned, NewSpace, Child, Slice)
}


def encode(value: object) -> bytes:
    """JSON that keeps times and the values above."""
    return orjson.dumps(_plain(value))


def decode(data: bytes) -> Any:
    """The value that was encoded; tuples come back as lists."""
    return _lively(orjson.loads(data))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        inside = {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
        return {"$": type(value).__name__, "value": inside}
    match value:
        case datetime():
            return {"$": "time", "value": value.isoformat()}
        case Origin():
            return {"$": "origin", "value": value.value}
        case dict():
            return {"$": "map", "value": [[_plain(key), _plain(one)] for key, one in value.items()]}
        case list() | tuple() | set() | frozenset():
            return [_plain(one) for one in value]
    return value


def _lively(value: Any) -> Any:
    if isinstance(value, list):
        return [_lively(one) for one in value]
    if not isinstance(value, dict):
        return value
    inside = value["value"]
    match value["$"]:
        case "time":
            return datetime.fromisoformat(inside)
        case "origin":
            return Origin(inside)
        case "map":
            return {_lively(key): _lively(one) for key, one in inside}
        case kind:
            return VALUE_CLASSES[kind](**{name: _lively(one) for name, one in inside.items()})
