"""Rankings: the orders in which a search answers; each makes the commands and reads the answers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.search.filters import Query
from core.search.index import MAX_RARE_ATOMS, Hit, by_meaning, by_words, newest, read_hits
from core.search.paging import Page
from core.store.store import Argument

Command = Sequence[Argument]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit with its rank, smallest first."""

    rank: tuple[float, ...]
    hit: Hit
    named: tuple[str, ...] = ()
    """Names in the query that it holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of one round trip, best first; with `more` there may be others."""

    ranked: list[Ranked]
    more: bool
    named: tuple[tuple[str, ...], ...] = ()


class Ranking(Protocol):
    """An order to answer in."""

    def commands(self, index: str, query: Query, size: int) -> list[Command]: ...
    def read(self, answers: Sequence[Any], size: int) -> Found: ...


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest atoms first."""

    page: Page | None = None

    def commands(self, index: str, query: Query, size: int) -> list[Command]:
        return [newest(index, query, size, -int(self.page.rank[0]) if self.page else None)]

    def read(self, answers: Sequence[Any], size: int) -> Found:
        hits = read_hits(answers[0])
        return Found([Ranked((-float(hit.born),), hit) for hit in hits], len(hits) == size)


@dataclass(frozen=True, slots=True)
class ByWords:
    """Atoms with more and rarer words of the query first.

    Scores move with every write, so the next page skips what was read, whatever its rank is by then.
    """

    words: Sequence[str]

    def commands(self, index: str, query: Query, size: int) -> list[Command]:
        return [by_words(index, query, self.words, size)]

    def read(self, answers: Sequence[Any], size: int) -> Found:
        hits = read_hits(answers[0])
        return Found([Ranked((0.0,), hit) for hit in hits], len(hits) == size)


@dataclass(frozen=True, slots=True)
class ByMeaning:
    """The nearest in meaning first, but before them atoms that hold a rare name from the query.

    Blending all words into the ranking (BM25 by reciprocal rank) found less: docs/search.md has the measurements.
    """

    vector: bytes
    names: Sequence[tuple[str, ...]] = ()
    """The names in the query, each as its words; on a later page those that were rare when the first was read."""
    later: bool = False

    @property
    def _most(self) -> int:
        return MAX_RARE_ATOMS * (4 if self.later else 1) + 1

    def commands(self, index: str, query: Query, size: int) -> list[Command]:
        found: list[Command] = [by_meaning(index, query, self.vector, size)]
        found += [by_meaning(index, query, self.vector, self._most, words) for words in self.names]
        return found

    def read(self, answers: Sequence[Any], size: int) -> Found:
        nearest = read_hits(answers[0])
        held: dict[str, list[str]] = {}
        hits = {hit.key: hit for hit in nearest}
        rare = []
        for words, answer in zip(self.names, answers[1:], strict=False):
            named = read_hits(answer)
            if self.later or len(named) < self._most:
                rare.append(words)
                for hit in named:
                    held.setdefault(hit.key, []).append(" ".join(words))
                    hits[hit.key] = hit
        ranked = [
            Ranked((-float(len(held.get(key, ()))), hit.distance), hit, tuple(held.get(key, ())))
            for key, hit in hits.items()
        ]
        ranked.sort(key=lambda one: (one.rank, one.hit.key))
        return Found(ranked, len(nearest) == size, tuple(rare))


def unread(found: Iterable[Ranked], page: Page | None) -> Iterator[Ranked]:
    told = set()
    for one in found:
        ref = one.hit.ref
        if ref in told:
            continue
        told.add(ref)  # a passage further down is no reason to tell an atom of an earlier page again
        if not (page and page.holds(one.rank, ref)):
            yield one
