"""Pages: where a search's answer was cut off, as a token that finds what follows while others go on writing."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

import msgpack

from core.errors import InvalidInput

LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class Page:
    """How far a search was read: the rank of the last atom, and which atoms of that very rank were among those read.

    A rank is what the answer is ordered by, smallest first, so what is put or goes meanwhile moves nothing.
    """

    rank: tuple[float, ...]
    ties: frozenset[str]
    seen: int
    named: tuple[tuple[str, ...], ...] = ()
    """What the query named that was rare enough to count, when the first page was read."""

    def token(self, asked: str) -> str:
        """The page as text, for a search that asks for this."""
        packed = msgpack.packb([_digest(asked), self.rank, sorted(self.ties), self.seen, self.named])
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def holds(self, rank: tuple[float, ...], ref: str) -> bool:
        """Whether an atom of this rank was read already, or would have been."""
        return rank < self.rank or (rank == self.rank and ref in self.ties)


def read_page(token: str, asked: str) -> Page | None:
    """The page a token stands for; None for the first. Raises `InvalidInput` for what no such search has given."""
    if token == "":
        return None
    wrong = InvalidInput(
        "after= is no place in this search; give the cursor of the last atom of the page before, with the same query "
        "and the same filters, or leave it out to begin anew"
    )
    if not isinstance(token, str) or len(token) > LONGEST:
        raise wrong
    try:
        digest, rank, ties, seen, named = msgpack.unpackb(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        page = Page(
            tuple(float(one) for one in rank),
            frozenset(str(one) for one in ties),
            int(seen),
            tuple(tuple(str(word) for word in words) for words in named),
        )
    except (binascii.Error, ValueError, TypeError, msgpack.UnpackException):
        raise wrong from None
    if digest != _digest(asked) or not 0 < page.seen < 1 << 31 or len(page.named) > 8 or not page.rank:
        raise wrong
    return page


def _digest(asked: str) -> bytes:
    return hashlib.blake2b(asked.encode(), digest_size=6).digest()
