"""Pages: where a search's answer was cut off, as a token that finds what follows while others go on writing."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from math import isfinite

import msgpack

from core.errors import InvalidInput

MAX_CURSOR_CHARS = 1_000_000
MAX_PAGED_ATOMS = 500_000
"""Atoms that can be read page by page; the engine answers no more at once than a million."""


@dataclass(frozen=True, slots=True)
class Page:
    """How far a search was read: the rank of the last atom, and which atoms of that very rank were among those read.

    A rank is what the answer is ordered by, smallest first, so what is put or goes meanwhile moves nothing.
    """

    rank: tuple[float, ...]
    ties: frozenset[bytes]
    seen: int
    named: tuple[tuple[str, ...], ...] = ()
    """What the query named that was rare enough to count, when the first page was read."""

    def token(self, asked: str) -> str:
        """The page as text, for a search that asks for this."""
        packed = msgpack.packb([_digest(asked), self.rank, sorted(self.ties), self.seen, self.named])
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def holds(self, rank: tuple[float, ...], ref: str) -> bool:
        """Whether an atom of this rank was read already, or would have been."""
        return rank < self.rank or (rank == self.rank and mark(ref) in self.ties)


def read_page(token: str, asked: str) -> Page | None:
    """The page a token stands for; None for the first. Raises `InvalidInput` for what no such search has given."""
    if token == "":
        return None
    wrong = InvalidInput(
        "after= is no place in this search; give the cursor of the last atom of the page before, with the same query "
        "and the same filters, or leave it out to begin anew"
    )
    if not isinstance(token, str) or len(token) > MAX_CURSOR_CHARS:
        raise wrong
    try:
        digest, rank, ties, seen, named = msgpack.unpackb(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        page = Page(
            tuple(float(one) for one in rank),
            frozenset(bytes(one) for one in ties),
            int(seen),
            tuple(tuple(str(word) for word in words) for words in named),
        )
    except (binascii.Error, ValueError, TypeError, OverflowError, msgpack.UnpackException):
        raise wrong from None
    sound = page.rank and all(map(isfinite, page.rank)) and 0 < page.seen <= MAX_PAGED_ATOMS and len(page.named) <= 8
    if digest != _digest(asked) or not sound:
        raise wrong
    return page


def mark(ref: str) -> bytes:
    """An atom's name, made short: a page may have many."""
    return hashlib.blake2b(ref.encode(), digest_size=6).digest()


def _digest(asked: str) -> bytes:
    return hashlib.blake2b(asked.encode(), digest_size=6).digest()
