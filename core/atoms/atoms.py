"""Atoms, and the changes that happen to them, as values."""

import hashlib
import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

VALUE_KINDS = "text, a number, true or false, a time, or a list of text"
Value = str | int | float | bool | datetime | list[str]
Metadata = Mapping[str, Value]
References = Mapping[str, list[str]]

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BASE32_TO_ID = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ID_ALPHABET.encode())


class Origin(StrEnum):
    """Where content came from, the most trusted first. The store sets it from who writes; nobody can claim another."""

    OWNER = "owner"
    AGENT = "agent"
    OUTSIDE = "outside"


def lower(one: Origin, other: Origin) -> Origin:
    """The less trusted of two origins."""
    order = list(Origin)
    return max(one, other, key=order.index)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: a person, an agent or a channel."""

    id: str
    origin: Origin = Origin.AGENT

    def __str__(self) -> str:
        return self.id


OWNER = Principal("owner", Origin.OWNER)
HOUSE = Principal("house", Origin.AGENT)
"""Stoa itself: it puts questions to the owner, tells what was decided, and keeps the record of it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a change goes back to: the change that began it all (`space/seq`), and how many turns ago that was."""

    root: str = ""
    depth: int = 0


ATTACHMENTS_KEY = "attachments"
"""The metadata key under which the store keeps which files an atom carries; nobody else may set it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that an atom carries; its bytes are kept elsewhere, by their hash."""

    sha256: str
    name: str
    media_type: str
    size: int
    """In bytes."""

    def __str__(self) -> str:
        return f"{self.sha256} {self.size} {self.media_type} {self.name}"


def read_attachment(text: str) -> Attachment:
    """The attachment that its `str` says."""
    sha256, size, media_type, name = text.split(" ", 3)
    return Attachment(sha256, name, media_type, int(size))


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of an atom's text, and where it stands: characters `start` to `end` of the content or of a file."""

    text: str
    start: int
    end: int
    file: str = ""
    """The name of the attachment it stands in; empty for the content."""


@dataclass(frozen=True, slots=True)
class Atom:
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
    """How near a search found it, 1 being the same; None outside a search by meaning."""
    outside: bool = False
    """Whether anybody ever changed it who is from outside, or had read what is from there."""
    cursor: str = field(default="", compare=False)
    """On the last atom that a search answers, if more follow: give it as `after` to go on behind it."""
    explanation: str = field(default="", compare=False)
    """How a search found it, in words, where that was asked for."""
    attachments: tuple[Attachment, ...] = ()
    """The files it carries."""
    passage: Passage | None = field(default=None, compare=False)
    """Which piece of a long text, or of a file, a search found."""

    @property
    def ref(self) -> str:
        """This atom's name from anywhere: `space/id`."""
        return f"{self.space}/{self.id}"

    @property
    def label(self) -> Origin:
        """How far it can be trusted at most: its origin, or outside where that had a hand in it."""
        return Origin.OUTSIDE if self.outside else self.origin


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
    """Whether whoever made it is from outside, or had read what is from there."""


@dataclass(frozen=True, slots=True)
class Link:
    """A reference met on the way from atom to atom: `source` refers as `name` to `target`, both named `space/id`.

    `atom` is the one at its far end; None where there is none, or none that the reader may read.
    """

    source: str
    name: str
    target: str
    depth: int
    atom: Atom | None = None
    more: bool = False
    """On the last link answered: whether more were there than the limit let through."""


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of an atom's history: what was changed, by whom and why. None means unchanged.

    In `metadata` a None is a key that was taken away. `forgotten` tells a content that came with this version and is
    kept no more, for the setting `old_contents` bounds them; `origin` is where a content came from.
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
    """The atom id that belongs to an operation id, so that the same operation twice is one atom."""
    number = int.from_bytes(hashlib.blake2b(operation.encode(), digest_size=8).digest())
    return "".join([ID_ALPHABET[(number >> shift) & 31] for shift in range(0, 60, 5)])
