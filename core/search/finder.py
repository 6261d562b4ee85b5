"""Finding: one search, from what is asked to the atoms, over the index and the rights of the one who asks."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.atoms.atoms import OWNER, Atom, Passage, Principal
from core.errors import ModelUnavailable, NotFound, StoreUnavailable
from core.models.embeddings import Embedder
from core.search.explain import explain, filter_in_words
from core.search.extraction import Texts
from core.search.filters import FilterScope, Query, restrict
from core.search.index import (
    ATOM_FIELD_NAMES,
    INDEX_SCHEMA,
    Hit,
    Shares,
    counting,
    index_name,
    is_whole,
    named_in,
    words_of,
)
from core.search.indexing import Indexer
from core.search.paging import Page, mark, read_page
from core.search.query import SearchRequest, SpaceViews, build_query, check_readable, read_views, smallest
from core.search.ranking import ByMeaning, ByWords, Newest, Ranked, Ranking, unread
from core.store.store import Argument, Store

MAX_CACHED_VIEWS = 1_000
MAX_ROUNDS = 12
INDEX_POLL_SECONDS, MAX_INDEX_POLLS = 0.05, 600
"""Seconds between two looks at an index that is being built, and how many looks."""
MAX_EMBEDDED_FIRST = 250
"""So many atoms may wait for vectors and a search by meaning makes them first, in two seconds or so."""
FILE_WAIT_SECONDS, FILE_REST_MS = 5, 60_000
"""Seconds that a search by words waits for files to be read; milliseconds for which none does after one in vain."""


class Finder:
    """Answers searches, each in one round trip once it has seen the spaces it searches."""

    def __init__(self, store: Store, embedder: Embedder | None, texts: Texts | None = None) -> None:
        self._store = store
        self._embedder = embedder
        self._indexer = Indexer(store, embedder, texts) if embedder else None
        self._sights: dict[tuple[object, ...], SpaceViews] = {}
        self._whole: set[tuple[frozenset[bytes], str]] = set()
        self._shares = Shares()
        self._resting = 0
        """Until when (ms) no search waits for files to be read."""

    async def find(self, reader: Principal, within: Sequence[str] | None, asked: SearchRequest) -> list[Atom]:
        """The atoms that fit best, in these spaces or all that the reader may read.

        Raises `NotFound` for a named space that it may not read.
        """
        page = read_page(asked.after, identity := asked.identity(within))
        embedder = await self._embedder_in_use()  # another may take over before the query's vector is there
        ranking = await self._ranking(asked, page)
        if ranking is None or within == []:
            return []
        again = isinstance(ranking, Newest)  # it begins where the page ended, the others at the best
        size = asked.limit + 1 + ((len(page.ties) if again else page.seen) if page else 0)
        while True:
            sight, answers = await self._asking(reader, within, asked, embedder, ranking, size)
            found = ranking.read(answers, size) if answers else None
            rest = list(unread(found.ranked, page)) if found else []
            if not found or not found.more or len(rest) > asked.limit:
                break
            size *= 2
        named = found.named if found else ()
        best = _whole(rest[: asked.limit], await self._whole_atoms(reader, rest[: asked.limit]))
        atoms = self._atoms(asked, best, (page.seen if page else 0) + 1, sight)
        atoms = _with_passages(atoms, found.ranked if found else ())
        if len(rest) > asked.limit and atoms:
            token = _page(rest[: asked.limit], page, named).token(identity)
            atoms[-1] = replace(atoms[-1], cursor=token)
        return atoms

    async def count(self, space: str) -> int:
        """How many atoms there are in a space, those out of use included."""
        query = Query()
        query.filter = restrict(query, [space], {}, {}, True, FilterScope())
        return int((await self._store.run(*counting(index_name(self._store, await self._embedder_in_use()), query)))[0])

    async def embed_waiting(self, names: Sequence[str]) -> int:
        """Make the vectors that are still missing in these spaces; answers how many."""
        return await self._indexer.waiting(names) if self._indexer else 0

    async def _read_files(self, names: Sequence[str]) -> int:
        """Have files found by their words that were attached just now; how many atoms carry them.

        Words are found without it: where it cannot be had, or not soon, it is left to a worker for a while.
        """
        if self._indexer is None or self._store.now() < self._resting:
            return 0
        try:
            async with asyncio.timeout(FILE_WAIT_SECONDS):
                return await self._indexer.files(names)
        except (ModelUnavailable, StoreUnavailable, TimeoutError):
            self._resting = self._store.now() + FILE_REST_MS
            return 0

    async def _ranking(self, asked: SearchRequest, page: Page | None) -> Ranking | None:
        """The order to answer in; None where nothing can be found by that query."""
        if not asked.text:
            return Newest(page)
        if asked.by == "words" or not self._embedder:
            words = words_of(asked.text)
            return ByWords(words) if words else None
        (vector,) = await self._embedder.embed([asked.text])
        names = named_in(asked.text) if asked.by == "both" else []
        return ByMeaning(vector, page.named if page else names, page is not None)

    async def _asking(
        self,
        reader: Principal,
        within: Sequence[str] | None,
        asked: SearchRequest,
        embedder: str,
        ranking: Ranking,
        size: int,
    ) -> tuple[SpaceViews, list[Any]]:
        """Ask the engine with a query that is true to the rights and the spaces as they are at that moment."""
        place = (reader.id, within and tuple(within), tuple(asked.compared), tuple(asked.references))
        sight = self._sights.get(place) or SpaceViews(tuple(dict.fromkeys(within or ())))
        left = MAX_EMBEDDED_FIRST
        for _ in range(MAX_ROUNDS):
            looking = self._looking(reader, within, asked, sight)
            searching: list[Sequence[Argument]] = []
            counting: list[Sequence[Argument]] = []
            if sight.complete and sight.readable:
                index, query = (
                    await self._index(embedder, sight),
                    build_query(sight, asked, not isinstance(ranking, Newest)),
                )
                if isinstance(ranking, ByMeaning):
                    filtered, counting = self._shares.asked(index, query)
                searching = ranking.commands(index, query, size)
            answers = await self._store.answers(*looking, *searching, *counting)
            seen, waiting, ended = read_views(within, asked, sight, answers[: len(looking)])
            if within is not None:
                check_readable(within, seen)
            if ended:
                await self._store.give_back(ended)
            elif isinstance(ranking, ByMeaning) and (few := smallest(waiting, left)):
                left -= sum(waiting[name] for name in few)
                await self.embed_waiting(few)
            elif isinstance(ranking, ByWords) and waiting and await self._read_files(list(waiting)):
                sight = seen
                continue
            elif seen == sight and (sight.complete or not sight.names):
                for answer in answers:
                    if isinstance(answer, Exception):
                        raise answer
                self._remember(place, seen)
                if counting:
                    self._shares.counted(filtered, answers[-len(counting) :])
                return seen, answers[len(looking) : len(looking) + len(searching)]
            sight = seen
        raise StoreUnavailable("The spaces change faster than they can be searched; try again.")

    def _looking(
        self, reader: Principal, within: Sequence[str] | None, asked: SearchRequest, sight: SpaceViews
    ) -> list[Sequence[Argument]]:
        """The commands that see all that `sight` holds anew."""
        keys, store = self._store.keys, self._store
        commands: list[Sequence[Argument]] = []
        if within is None:
            commands.append(["SMEMBERS", keys.spaces() if reader == OWNER else keys.held(reader.id)])
        wanted: list[Argument] = [len(asked.compared), *asked.compared, *asked.references]
        commands += [store.reading("stoa_view", name, reader.id, *wanted) for name in sight.names]
        return [*commands, *(store.reading("stoa_level", name, reader.id) for name in sight.abroad)]

    async def _index(self, embedder: str, sight: SpaceViews) -> str:
        """The index to ask: the one of the only space there is to search, if it has one, else the one over all.

        Either has to be whole in this run of the server; the one over all is waited for.
        """
        ((name, view), *others) = sight.readable.items()
        runs = frozenset(view.run for view in sight.readable.values())  # one for each node that holds any of them
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

    def _remember(self, place: tuple[object, ...], sight: SpaceViews) -> None:
        if len(self._sights) >= MAX_CACHED_VIEWS:
            self._sights.clear()
        self._sights[place] = sight

    async def _whole_atoms(self, reader: Principal, ranked: Sequence[Ranked]) -> dict[str, Mapping[bytes, bytes]]:
        """The fields of the atoms of which only a passage was found."""
        refs = [one.hit.ref for one in ranked if one.hit.passage]
        places = [ref.split("/", 1) for ref in refs]
        stored = await self._store.answers(*(self._store.reading("stoa_get", s, reader.id, id) for s, id in places))
        return {
            ref: {name: value for name, value in zip(ATOM_FIELD_NAMES, fields, strict=True) if value is not None}
            for ref, fields in zip(refs, stored, strict=True)
            if isinstance(fields, list)  # not any more where the right ended meanwhile
        }

    def _atoms(self, asked: SearchRequest, ranked: Sequence[Ranked], first: int, sight: SpaceViews) -> list[Atom]:
        found = [(place, one, one.hit.atom()) for place, one in enumerate(ranked, first)]
        if not asked.explain:
            return [atom for _, _, atom in found if atom]
        passed = filter_in_words(list(sight.readable), asked.metadata, asked.references, asked.deprecated)
        return [replace(atom, explanation=explain(one, place, passed)) for place, one, atom in found if atom]

    async def _embedder_in_use(self) -> str:
        """The id of our embedder; for a process that has none, of the one whose index is there."""
        if self._embedder:
            return self._embedder.id
        prefix = self._store.keys.index(INDEX_SCHEMA, "")
        for name in await self._store.run("FT._LIST"):
            if name.decode().startswith(prefix):
                return str(name.decode()[len(prefix) :])
        raise NotFound("There is no search index yet; start Stoa once with `stoa run`.")


def _whole(ranked: Sequence[Ranked], atoms: Mapping[str, Mapping[bytes, bytes]]) -> list[Ranked]:
    """What was found, each passage replaced by its atom, as near as the passage is."""
    whole = []
    for one in ranked:
        if one.hit.passage:
            near = {name: value for name, value in one.hit.fields.items() if name == b"distance"}
            one = replace(
                one, hit=replace(one.hit, key=_key_of(one.hit), fields={**atoms.get(one.hit.ref, {}), **near})
            )
        whole.append(one)
    return whole


def _key_of(hit: Hit) -> str:
    """The key of the atom a passage belongs to."""
    return hit.key.rpartition("#")[0]


def _with_passages(atoms: Sequence[Atom], ranked: Sequence[Ranked]) -> list[Atom]:
    """The atoms, each with the nearest passage of it."""
    found: dict[str, Passage] = {}
    for one in ranked:
        if passage := one.hit.passage:
            found.setdefault(one.hit.ref, passage)
    return [replace(atom, passage=found[atom.ref]) if atom.ref in found else atom for atom in atoms]


def _page(ranked: Sequence[Ranked], before: Page | None, named: tuple[tuple[str, ...], ...]) -> Page:
    """Where the search is after these."""
    last = ranked[-1].rank
    ties = {mark(one.hit.ref) for one in ranked if one.rank == last}
    if before and before.rank == last:
        ties |= before.ties
    return Page(last, frozenset(ties), len(ranked) + (before.seen if before else 0), before.named if before else named)
