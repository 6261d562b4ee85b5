"""Rankings: the orders in which a search answers; each makes the commands and reads the answers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from core.search.filters import Query
from core.search.index import MAX_RARE_ATOMS, Hit, by_meaning, by_words, counting, newest, read_hits
from core.search.paging import Page
from core.search.scoring import held_words, word_scores
from core.store.store import Argument

CANDIDATES = 30
"""So many by meaning and as many by words are weighed against each other; more find nothing more."""
WORDS_WEIGHT = 0.25
"""The worth of holding all words of the query, where meaning the same is worth 1."""

Command = Sequence[Argument]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit with its rank, smallest first."""

    rank: tuple[float, ...]
    hit: Hit
    named: tuple[str, ...] = ()
    """Names in the query that it holds."""
    words: tuple[str, ...] = ()
    """Words of the query that it holds."""
    weighed: bool = False
    """True if other atoms had a say in its rank, which may move while others write."""


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
        return [newest(index, query, size, -int(self.page.rank[0]) if self.page and self.page.rank else None)]

    def read(self, answers: Sequence[Any], size: int) -> Found:
        hits = read_hits(answers[0])
        return Found([Ranked((-float(hit.born),), hit) for hit in hits], len(hits) == size)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The words a query looks for, and the language by whose rules they are inflected."""

    words: Sequence[str]
    language: str


@dataclass(frozen=True, slots=True)
class ByWords:
    """Atoms with more and rarer words of the query first.

    Scores move with every write, so the next page skips what was read, whatever its rank is by then.
    """

    wanted: Wanted

    def commands(self, index: str, query: Query, size: int) -> list[Command]:
        return [by_words(index, query, self.wanted.words, size, self.wanted.language)]

    def read(self, answers: Sequence[Any], size: int) -> Found:
        hits = read_hits(answers[0])
        return Found([Ranked((0.0,), hit) for hit in hits], len(hits) == size)


@dataclass(frozen=True, slots=True)
class Commonness:
    """No order: how many atoms there are, and how many hold each of these words."""

    words: Sequence[str]

    def commands(self, index: str, query: Query, size: int) -> list[Command]:
        return [counting(index, query), *(counting(index, query, word) for word in self.words)]

    def read(self, answers: Sequence[Any], size: int) -> Found:
        return Found([], False)


@dataclass(frozen=True, slots=True)
class ByMeaning:
    """The nearest in meaning first.

    With words, the nearest and those with the most words of the query are weighed against each other and come first,
    and before them atoms that hold a rare name from the query.
    """

    vector: bytes
    wanted: Wanted | None = None
    names: Sequence[tuple[str, ...]] = ()
    """The names in the query, each as its words; on a later page those that were rare when the first was read."""
    page: Page | None = None

    def commands(self, index: str, query: Query, size: int) -> list[Command]:
        found: list[Command] = [by_meaning(index, query, self.vector, max(size, CANDIDATES))]
        found += [by_meaning(index, query, self.vector, self._most, words) for words in self.names]
        if self._weighing:
            wanted = self._weighing
            found.append(by_words(index, query, wanted.words, CANDIDATES, wanted.language, vectors=True))
        return found

    def read(self, answers: Sequence[Any], size: int) -> Found:
        nearest, *named = [read_hits(answer) for answer in answers]
        by_words = [hit.compared(self.vector) for hit in named.pop()] if self._weighing else []
        hits = {hit.key: hit for hit in by_words} | {hit.key: hit for hit in nearest}
        held: dict[str, list[str]] = {}
        rare = []
        for words, holding in zip(self.names, named, strict=True):
            if self.page or len(holding) < self._most:
                rare.append(words)
                for hit in holding:
                    held.setdefault(hit.key, []).append(" ".join(words))
                    hits[hit.key] = hit
        best = [*nearest[:CANDIDATES], *by_words] if self._weighing else []
        weighed = dict.fromkeys([*(hit.key for hit in best), *held]) if self._weighing else {}
        ranked = [
            *self._weigh([hits[key] for key in weighed]),
            *(Ranked((1.0, hit.distance), hit) for key, hit in hits.items() if key not in weighed),
        ]
        ranked = [_named(one, held.get(one.hit.key, ())) for one in ranked]
        ranked.sort(key=lambda one: (one.rank, one.hit.key))
        return Found(ranked, len(nearest) == max(size, CANDIDATES), tuple(rare))

    def _weigh(self, hits: Sequence[Hit]) -> Iterator[Ranked]:
        if not self.wanted:
            return
        texts = [hit.text for hit in hits]
        scores = word_scores(self.wanted.words, self.wanted.language, texts)
        for hit, text, score in zip(hits, texts, scores, strict=True):
            words = held_words(self.wanted.words, self.wanted.language, text) if score else ()
            yield Ranked((0.0, hit.distance - WORDS_WEIGHT * score), hit, words=words, weighed=True)

    @property
    def _weighing(self) -> Wanted | None:
        """None once the best have been read: what follows goes by meaning alone, and so stays in step."""
        return self.wanted if not (self.page and self.page.rank) else None

    @property
    def _most(self) -> int:
        return MAX_RARE_ATOMS * (4 if self.page else 1) + 1


def _named(one: Ranked, names: Sequence[str]) -> Ranked:
    return replace(one, rank=(-float(len(names)), *one.rank), named=tuple(names))


def unread(found: Iterable[Ranked], page: Page | None) -> Iterator[Ranked]:
    told = set()
    for one in found:
        ref = one.hit.ref
        if ref in told:
            continue
        told.add(ref)  # a passage further down is no reason to tell an atom of an earlier page again
        if not (page and page.holds(one.rank, ref)):
            yield one
