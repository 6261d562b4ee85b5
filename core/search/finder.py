"""The finder: answers a search request over the index, by the rights of the reader."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.atoms.atoms import Atom, Passage, Principal
from core.errors import ModelUnavailable, NotFound, StoreUnavailable
from core.models.embeddings import Embedder
from core.search.explain import explain, filter_in_words
from core.search.extraction import Texts
from core.search.filters import FilterScope, Query, restrict
from core.search.index import (
    ATOM_FIELD_NAMES,
    CommonNames,
    Filtering,
    Hit,
    Shares,
    counting,
    embedder_indexed,
    index_name,
    is_whole,
)
from core.search.indexing import Indexer
from core.search.paging import Page, mark, read_page
from core.search.periods import period_in
from core.search.query import (
    SearchRequest,
    SeenSpaces,
    SpaceViews,
    build_query,
    check_readable,
    read_views,
    smallest,
)
from core.search.ranking import (
    ByMeaning,
    ByWords,
    Commonness,
    Found,
    Newest,
    Ranked,
    Ranking,
    Wanted,
    unread,
)
from core.search.words import capitalised, content_words, language_of, named_in, subject
from core.store.codec import read_atom
from core.store.spaces import SpaceRegistry
from core.store.store import Argument, Store

MAX_CACHED_VIEWS = 1_000
MAX_ROUNDS = 12
INDEX_POLL_SECONDS, MAX_INDEX_POLLS = 0.05, 600
MAX_EMBEDDED_FIRST = 250
"""Atoms waiting for vectors that a search by meaning indexes first, in two seconds or so."""
FILE_WAIT_SECONDS, FILE_REST_MS = 5, 60_000
"""A search by words waits so long for files to be read; after a wait in vain none does for a while."""


@dataclass(slots=True)
class _Search:
    """One search under way."""

    reader: Principal
    request: SearchRequest
    embedder: str
    ranking: Ranking
    left: int = MAX_EMBEDDED_FIRST
    """Atoms that may still be indexed first."""

    @property
    def place(self) -> tuple[object, ...]:
        request = self.request
        return self.reader.credentials, request.within, tuple(request.compared), tuple(request.references)


@dataclass(frozen=True, slots=True)
class _Commands:
    """The commands of one round trip to the engine."""

    search: Sequence[Sequence[Argument]] = ()
    count: Sequence[Sequence[Argument]] = ()
    filtering: Filtering = ()


class Finder:
    """Answers searches, each in one round trip once it has seen the spaces it searches."""

    def __init__(self, store: Store, embedder: Embedder | None, texts: Texts | None = None) -> None:
        self._store = store
        self._registry = SpaceRegistry(store)
        self._embedder = embedder
        self._indexer = Indexer(store, embedder, texts) if embedder else None
        self._views: dict[tuple[object, ...], SpaceViews] = {}
        self._whole: set[tuple[frozenset[bytes], str]] = set()
        self._shares = Shares()
        self._names = CommonNames()
        self._resting_until_ms = 0

    async def find(self, reader: Principal, request: SearchRequest) -> list[Atom]:
        """The atoms that fit best. Raises `NotFound` for a named space that the reader may not read."""
        page = read_page(request.after, request.identity)
        named = period_in(request.text, self._store.clock.now())
        if named:
            period, rest = named
            if atoms := await self._find(reader, replace(request, period=period, query=rest), page, request.identity):
                return atoms
        return await self._find(reader, request, page, request.identity)

    async def _find(self, reader: Principal, request: SearchRequest, page: Page | None, identity: str) -> list[Atom]:
        embedder = await self._embedder_in_use()  # another may take over before the query's vector is there
        if request.within == ():
            return []
        ranking = await self._ranking(reader, request, embedder, page)
        if ranking is None:
            return []
        views, found, rest = await self._enough(_Search(reader, request, embedder, ranking), page)
        best = rest[: request.limit]
        whole = _whole(best, await self._atoms_of_passages(reader, best))
        atoms = self._atoms(request, whole, (page.seen if page else 0) + 1, views)
        atoms = _with_passages(atoms, found.ranked)
        if request.around:
            atoms = await self._with_neighbours(reader, atoms, request.around)
        if len(rest) > request.limit and atoms:
            atoms[-1] = replace(atoms[-1], cursor=_page(best, page, found.named).token(identity))
        return atoms

    async def count(self, space: str) -> int:
        query = Query()
        query.filter = restrict(query, [space], SearchRequest(deprecated=True), FilterScope())
        return int((await self._store.run(*counting(index_name(self._store, await self._embedder_in_use()), query)))[0])

    async def embed_waiting(self, names: Sequence[str]) -> int:
        return await self._indexer.waiting(names) if self._indexer else 0

    async def _enough(self, search: _Search, page: Page | None) -> tuple[SpaceViews, Found, list[Ranked]]:
        again = isinstance(search.ranking, Newest)  # it begins where the page ended, the others at the best
        limit = search.request.limit
        size = limit + 1 + ((len(page.ties) if again else page.seen) if page else 0)
        while True:
            views, answers = await self._ask(search, size)
            found = search.ranking.read(answers, size) if answers else Found([], False)
            rest = list(unread(found.ranked, page))
            if not found.more or len(rest) > limit:
                return views, found, rest
            size *= 2

    async def _read_files(self, names: Sequence[str]) -> int:
        """Index files that were attached just now; the number of atoms that carry them.

        Words are found without it: where it cannot be done, or takes long, it is left to a worker for a while.
        """
        if self._indexer is None or self._store.now() < self._resting_until_ms:
            return 0
        try:
            async with asyncio.timeout(FILE_WAIT_SECONDS):
                return await self._indexer.files(names)
        except (ModelUnavailable, StoreUnavailable, TimeoutError):
            self._resting_until_ms = self._store.now() + FILE_REST_MS
            return 0

    async def _ranking(
        self, reader: Principal, request: SearchRequest, embedder: str, page: Page | None
    ) -> Ranking | None:
        if not request.text:
            return Newest(page)
        if request.by == "words" or not self._embedder:
            words = content_words(request.text)
            return ByWords(Wanted(words, language_of(request.text))) if words else None
        (vector,) = await self._embedder.embed(
            [subject(request.text, await self._common_names(reader, request, embedder))]
        )
        if request.by == "meaning":
            return ByMeaning(vector, page=page)
        words = content_words(request.text)
        wanted = Wanted(words, language_of(request.text)) if words else None
        return ByMeaning(vector, wanted, page.named if page else named_in(request.text), page)

    async def _common_names(self, reader: Principal, request: SearchRequest, embedder: str) -> frozenset[str]:
        """The names in the query that a tenth of the atoms holds: they say little of what is asked about them."""
        names = capitalised(request.text)
        if not names:
            return frozenset()
        everything = SearchRequest(within=request.within, deprecated=request.deprecated)
        search = _Search(reader, everything, embedder, Commonness(names))
        unknown = self._names.unknown(search.place, names)
        if unknown:
            _, answers = await self._ask(replace(search, ranking=Commonness(unknown)), 0)
            self._names.counted(search.place, unknown, answers)
        return self._names.common(search.place, names)

    async def _ask(self, search: _Search, size: int) -> tuple[SpaceViews, Sequence[Any]]:
        """Asks the engine with a query that is true to the rights and the spaces at that moment."""
        request = search.request
        views = self._views.get(search.place) or SpaceViews(tuple(dict.fromkeys(request.within or ())))
        for _ in range(MAX_ROUNDS):
            looking = self._looking(search, views)
            commands = await self._commands(search, views, size)
            answers = await self._store.answers(*looking, *commands.search, *commands.count)
            seen = read_views(request, views, answers[: len(looking)])
            check_readable(request, seen.views)
            settled = seen.views == views and (views.complete or not views.names)
            if not await self._catch_up(search, seen) and settled:
                for answer in answers:
                    if isinstance(answer, Exception):
                        raise answer
                self._remember(search.place, views)
                if commands.count:
                    self._shares.counted(commands.filtering, answers[-len(commands.count) :])
                return views, answers[len(looking) : len(looking) + len(commands.search)]
            views = seen.views
        raise StoreUnavailable("The spaces change faster than they can be searched; try again.")

    async def _commands(self, search: _Search, views: SpaceViews, size: int) -> _Commands:
        if not views.complete or not views.readable:
            return _Commands()
        index = await self._index(search.embedder, views)
        query = build_query(views, search.request, not isinstance(search.ranking, Newest))
        filtering, counts = self._shares.asked(index, query) if isinstance(search.ranking, ByMeaning) else ((), [])
        return _Commands(search.ranking.commands(index, query, size), counts, filtering)

    async def _catch_up(self, search: _Search, seen: SeenSpaces) -> bool:
        """Does first what the answer depends on; True if anything was done, so that one must look again."""
        if seen.ended:
            await self._store.give_back(seen.ended)
            return True
        if isinstance(search.ranking, ByMeaning) and (few := smallest(seen.waiting, search.left)):
            search.left -= sum(seen.waiting[name] for name in few)
            await self.embed_waiting(few)
            return True
        by_words = isinstance(search.ranking, ByWords)
        return bool(by_words and seen.waiting and await self._read_files(list(seen.waiting)))

    def _looking(self, search: _Search, views: SpaceViews) -> list[Sequence[Argument]]:
        store, request, reader = self._store, search.request, search.reader.credentials
        commands: list[Sequence[Argument]] = []
        if request.within is None:
            commands.append(self._registry.held_ever_command(search.reader.id))
        wanted: list[Argument] = [len(request.compared), *request.compared, *request.references]
        commands += [store.reading("stoa_view", name, reader, *wanted) for name in views.names]
        return [*commands, *(store.reading("stoa_level", name, reader) for name in views.abroad)]

    async def _index(self, embedder: str, views: SpaceViews) -> str:
        """The index of the only space there is to search, if it has one, else the one over all.

        Either has to be whole in this run of the server; the one over all is waited for.
        """
        ((name, view), *others) = views.readable.items()
        runs = frozenset(view.run for view in views.readable.values())  # one for each node that holds any of them
        own = index_name(self._store, embedder, name)
        if not others and view.own == own and await self._is_whole(runs, own):
            return own
        index = index_name(self._store, embedder)
        for _ in range(MAX_INDEX_POLLS):
            if await self._is_whole(runs, index):
                return index
            await asyncio.sleep(INDEX_POLL_SECONDS)
        raise StoreUnavailable("The search index is still being built; try again in a minute.")

    async def _is_whole(self, runs: frozenset[bytes], index: str) -> bool:
        if (runs, index) not in self._whole and await is_whole(self._store, index):
            self._whole.add((runs, index))
        return (runs, index) in self._whole

    def _remember(self, place: tuple[object, ...], views: SpaceViews) -> None:
        if len(self._views) >= MAX_CACHED_VIEWS:
            self._views.clear()
        self._views[place] = views

    async def _atoms_of_passages(self, reader: Principal, ranked: Sequence[Ranked]) -> dict[str, Mapping[bytes, bytes]]:
        refs = [one.hit.ref for one in ranked if one.hit.passage]
        places = [ref.split("/", 1) for ref in refs]
        stored = await self._store.answers(
            *(self._store.reading("stoa_get", s, reader.credentials, id) for s, id in places)
        )
        return {
            ref: {name: value for name, value in zip(ATOM_FIELD_NAMES, fields, strict=True) if value is not None}
            for ref, fields in zip(refs, stored, strict=True)
            if isinstance(fields, list)  # not any more where the right ended meanwhile
        }

    async def _with_neighbours(self, reader: Principal, atoms: Sequence[Atom], count: int) -> list[Atom]:
        by_space: dict[str, list[str]] = {}
        for atom in atoms:
            by_space.setdefault(atom.space, []).append(atom.id)
        found = await self._store.answers(
            *(self._store.reading("stoa_around", s, reader.credentials, count, *ids) for s, ids in by_space.items())
        )
        near = {
            f"{space}/{id}": (_neighbours(space, reversed(before)), _neighbours(space, after))
            for (space, ids), sides in zip(by_space.items(), found, strict=True)
            if isinstance(sides, list)  # else the right ended meanwhile
            for id, (before, after) in zip(ids, sides, strict=True)
        }
        told = [(atom, near.get(atom.ref, ((), ()))) for atom in atoms]
        return [replace(atom, before=before, after=after) for atom, (before, after) in told]

    def _atoms(self, request: SearchRequest, ranked: Sequence[Ranked], first: int, views: SpaceViews) -> list[Atom]:
        found = [(place, one, one.hit.atom()) for place, one in enumerate(ranked, first)]
        if not request.explain:
            return [atom for _, _, atom in found if atom]
        passed = filter_in_words(list(views.readable), request)
        return [replace(atom, explanation=explain(one, place, passed)) for place, one, atom in found if atom]

    async def _embedder_in_use(self) -> str:
        """The id of our embedder; for a process without one, that of the embedder whose index is there."""
        found = self._embedder.id if self._embedder else await embedder_indexed(self._store)
        if found is None:
            raise NotFound("There is no search index yet; start Stoa once with `stoa run`.")
        return found


def _whole(ranked: Sequence[Ranked], atoms: Mapping[str, Mapping[bytes, bytes]]) -> list[Ranked]:
    whole = []
    for one in ranked:
        if one.hit.passage:
            near = {name: value for name, value in one.hit.fields.items() if name == b"distance"}
            fields = {**atoms.get(one.hit.ref, {}), **near}
            one = replace(one, hit=replace(one.hit, key=_key_of(one.hit), fields=fields))
        whole.append(one)
    return whole


def _neighbours(space: str, stored: Iterable[Sequence[Any]]) -> tuple[Atom, ...]:
    atoms = (read_atom(space, id.decode(), fields) for id, fields in stored)
    return tuple(atom for atom in atoms if atom)


def _key_of(hit: Hit) -> str:
    return hit.key.rpartition("#")[0]


def _with_passages(atoms: Sequence[Atom], ranked: Sequence[Ranked]) -> list[Atom]:
    found: dict[str, Passage] = {}
    for one in ranked:
        if passage := one.hit.passage:
            found.setdefault(one.hit.ref, passage)
    return [replace(atom, passage=found[atom.ref]) if atom.ref in found else atom for atom in atoms]


def _page(ranked: Sequence[Ranked], before: Page | None, named: tuple[tuple[str, ...], ...]) -> Page:
    last = () if ranked[-1].weighed else ranked[-1].rank
    ties = {mark(one.hit.ref) for one in ranked if one.rank == last}
    if before and before.rank == last:
        ties |= before.ties
    weighed = frozenset(mark(one.hit.ref) for one in ranked if one.weighed) | (
        before.weighed if before else frozenset()
    )
    seen = len(ranked) + (before.seen if before else 0)
    return Page(last, frozenset(ties), seen, before.named if before else named, weighed)
