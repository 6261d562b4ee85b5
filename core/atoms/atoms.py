"""Atoms, and the changes that happen to them, as values."""

import hashlib
import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.atoms.text import nfc

VALUE_KINDS = "text, a number, true or false, a time, or a list of text"
Value = str | int | float | bool | datetime | list[str]
Metadata = Mapping[str, Value]
References = Mapping[str, list[str]]

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BASE32_TO_ID = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ID_ALPHABET.encode())


class Origin(StrEnum):
    """Where content came from, the most trusted first. The store sets it from its writer; nobody can claim another."""

    OWNER = "owner"
    AGENT = "agent"
    OUTSIDE = "outside"


def lower(one: Origin, other: Origin) -> Origin:
    order = list(Origin)
    return max(one, other, key=order.index)


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, an agent or a channel: one who acts."""

    id: str
    origin: Origin = Origin.AGENT
    ticket: str = ""
    """The id of a grant that covers a single call: nobody but who shows it can use that grant."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", nfc(self.id))

    def __str__(self) -> str:
        return self.id

    @property
    def credentials(self) -> str:
        """The name by which the store looks up its rights, with the ticket where there is one."""
        return f"{self.id}\x1f{self.ticket}" if self.ticket else self.id


OWNER = Principal("owner", Origin.OWNER)
HOUSE = Principal("house", Origin.AGENT)
"""Stoa itself, when it asks the owner, tells what was decided or keeps a record."""
CLOCK = Principal("clock", Origin.AGENT)
"""The part of Stoa that fires timers."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The change that began it all (`space/seq`), and the number of turns since."""

    root: str = ""
    depth: int = 0


ATTACHMENTS_KEY = "attachments"
"""The metadata key of an atom's files; only the store may set it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of an atom; its bytes are in the file store, under their hash."""

    sha256: str
    name: str
    media_type: str
    size: int
    """In bytes."""

    def __str__(self) -> str:
        return f"{self.sha256} {self.size} {self.media_type} {self.name}"


def read_attachment(text: str) -> Attachment:
    sha256, size, media_type, name = text.split(" ", 3)
    return Attachment(sha256, name, media_type, int(size))


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters `start` to `end` of an atom's content or of one of its files."""

    text: str
    start: int
    end: int
    file: str = ""
    """The attachment's name; empty for the content."""


class Labelled:
    """Adds a name that is good everywhere and a label to what has an id, a space, an origin and `outside`."""

    __slots__ = ()
    id: Any
    space: Any
    origin: Any
    outside: Any

    @property
    def ref(self) -> str:
        """The atom's name from anywhere: `space/id`."""
        return f"{self.space}/{self.id}"

    @property
    def label(self) -> Origin:
        """Its origin, or outside if anybody from there had a hand in it."""
        return Origin.OUTSIDE if self.outside else Origin(self.origin)


@dataclass(frozen=True, slots=True)
class Atom(Labelled):
    """A small unit of content in a space: text, metadata and typed references, versioned.

    References name atoms as `id` in the same space or `space/id` in another.
    """

    id: str
    space: str
    content: str
    metadata: Metadata = field(default_factory=dict)
    references: References = field(default_factory=dict)
    version: int = 1
    author: str = ""
    origin: Origin = Origin.AGENT
    created: datetime | None = None
    updated: datetime | None = None
    deprecated: bool = False
    score: float | None = None
    """Closeness to the query's meaning, 1 being the same; None outside a search by meaning."""
    outside: bool = False
    """True once somebody from outside, or who had read outside text, has changed it."""
    cursor: str = field(default="", compare=False)
    """Set on the last atom of a search that has more: give it as `after` to read on."""
    explanation: str = field(default="", compare=False)
    """The reason it was found, if the search asked for explanations."""
    attachments: tuple[Attachment, ...] = ()
    passage: Passage | None = field(default=None, compare=False)
    """The piece of a long text or of a file that a search found."""
    before: tuple["Atom", ...] = field(default=(), compare=False)
    """With `around`: those that were put just before it in its space, in their order."""
    after: tuple["Atom", ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One mutation of a space. Its comment is what subscribers are told; `seq` counts from 1 without gaps."""

    space: str
    seq: int
    operation: str
    atom: str
    version: int
    author: str
    origin: Origin
    comment: str
    at: datetime
    cause: Cause = Cause()
    outside: bool = False
    """True if its author is from outside or had read outside text."""


@dataclass(frozen=True, slots=True)
class Link:
    """A reference that was followed: `source` refers as `name` to `target`, both named `space/id`.

    `atom` is the one at the far end; None if it does not exist or the reader may not read it.
    """

    source: str
    name: str
    target: str
    depth: int
    atom: Atom | None = None
    more: bool = False
    """True on the last link if the limit cut others off."""


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of an atom's history. None means unchanged; in `metadata` a None is a key that was removed.

    `forgotten` marks a content that came with this version and was dropped since, by the setting `contents_kept`.
    """

    version: int
    operation: str
    author: str
    comment: str
    at: datetime
    content: str | None = None
    metadata: Mapping[str, Value | None] | None = None
    references: References | None = None
    forgotten: bool = False
    origin: Origin | None = None


def new_id() -> str:
    """A random name for an atom: 12 characters, 60 bits."""
    return b32encode(secrets.token_bytes(8))[:12].translate(BASE32_TO_ID).decode()


def id_from(operation: str) -> str:
    number = int.from_bytes(hashlib.blake2b(operation.encode(), digest_size=8).digest())
    return "".join([ID_ALPHABET[(number >> shift) & 31] for shift in range(0, 60, 5)])
