"""Pages: a token for the place where an answer was cut off, good while others go on writing."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from math import isfinite

import msgpack

from core.errors import InvalidInput

MAX_CURSOR_CHARS = 1_000_000
MAX_PAGED_ATOMS = 500_000
"""The engine answers at most a million at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """The place up to which a search was read: the rank of the last atom, and the atoms read of that very rank.

    Ranks order the answer, smallest first, so nothing moves when atoms are put or go meanwhile.
    """

    rank: tuple[float, ...]
    """Empty as long as only weighed atoms were read, whose ranks may move."""
    ties: frozenset[bytes]
    seen: int
    named: tuple[tuple[str, ...], ...] = ()
    """The names in the query that were rare when the first page was read."""
    weighed: frozenset[bytes] = frozenset()
    """The weighed atoms that were read."""

    def token(self, asked: str) -> str:
        told = [_digest(asked), self.rank, sorted(self.ties), self.seen, self.named, sorted(self.weighed)]
        return base64.urlsafe_b64encode(msgpack.packb(told)).decode().rstrip("=")

    def holds(self, rank: tuple[float, ...], ref: str) -> bool:
        told = mark(ref)
        if told in self.weighed or not self.rank:
            return told in self.weighed
        return rank < self.rank or (rank == self.rank and told in self.ties)


def read_page(token: str, asked: str) -> Page | None:
    """None for the first page. Raises `InvalidInput` for a token that this search did not give."""
    if token == "":
        return None
    wrong = InvalidInput(
        "after= does not belong to this search; give the cursor of the last atom of the page before, with the same "
        "query and filters, or leave it out to begin anew"
    )
    if not isinstance(token, str) or len(token) > MAX_CURSOR_CHARS:
        raise wrong
    try:
        digest, rank, ties, seen, named, weighed = msgpack.unpackb(
            base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        )
        page = Page(
            tuple(float(one) for one in rank),
            frozenset(bytes(one) for one in ties),
            int(seen),
            tuple(tuple(str(word) for word in words) for words in named),
            frozenset(bytes(one) for one in weighed),
        )
    except (binascii.Error, ValueError, TypeError, OverflowError, msgpack.UnpackException):
        raise wrong from None
    sound = (
        (page.rank or page.weighed)
        and all(map(isfinite, page.rank))
        and 0 < page.seen <= MAX_PAGED_ATOMS
        and len(page.named) <= 8
    )
    if digest != _digest(asked) or not sound:
        raise wrong
    return page


def mark(ref: str) -> bytes:
    return hashlib.blake2b(ref.encode(), digest_size=6).digest()


def _digest(asked: str) -> bytes:
    return hashlib.blake2b(asked.encode(), digest_size=6).digest()
