"""Embedders: the one whose vectors are searched, and the change to another while searches go on."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.errors import StoaError
from core.models.embeddings import CachedEmbedder, Embedder, LocalEmbedder
from core.models.remote_embeddings import RemoteEmbedder
from core.search.contexts import embed_in_context
from core.search.index import create_index, drop_index, index_name, is_whole
from core.search.vectors import EmbedderChoice, RetiredEmbedder, Vectors
from core.store.spaces import SpaceRegistry
from core.store.store import Store

LOCAL_EMBEDDER = "local"
REEMBED_BATCH_ATOMS = 32
EMBEDDER_CHECK_SECONDS = 10.0
EMBEDDER_GRACE_SECONDS = 30.0
"""After that no process uses an embedder any more that another has replaced."""

log = logging.getLogger("stoa.embedders")


class CurrentEmbedder:
    """The embedder whose vectors are searched; another replaces it once all its vectors are there."""

    def __init__(self, embedder: Embedder, field: str = "v") -> None:
        self.become(embedder, field)

    def become(self, embedder: Embedder, field: str) -> None:
        self._embedder = embedder
        self.id = embedder.id
        self.dimensions = embedder.dimensions
        self.field = field

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return await self._embedder.embed(texts)


@dataclass(slots=True)
class _Renewal:
    """Everything being embedded anew, into a field of its own."""

    embedder: Embedder
    into: str
    progress: Callable[[int], None]
    done: dict[str, int] = field(default_factory=dict)
    """Space -> the last change that was dealt with."""


class Embedders:
    """The embedder in use and the one that the settings want."""

    def __init__(self, store: Store, local: LocalEmbedder, name: str, url: str) -> None:
        self._store = store
        self._registry = SpaceRegistry(store)
        self._vectors = Vectors(store)
        self._local = local
        self._wanted = (name, url if name != LOCAL_EMBEDDER else "")
        self._choice: EmbedderChoice | None = None
        self.current = CurrentEmbedder(local)

    async def open(self) -> CurrentEmbedder:
        """The embedder of the vectors that are there, else the wanted one."""
        self._choice = await self._vectors.choice()
        if self._choice:
            embedder = self._made(self._choice.name, self._choice.url, self._choice.dimensions)
        else:
            name, url = (LOCAL_EMBEDDER, "") if await self._registry.names() else self._wanted
            embedder = await self._learned(name, url)
            self._choice = EmbedderChoice(name, url, embedder.id, embedder.dimensions, "v")
            await self._vectors.choose(self._choice)
        self.current.become(self._cached(embedder), self._choice.field)
        await create_index(self._store, self.current.id, self.current.dimensions, field=self.current.field)
        return self.current

    @property
    def outdated(self) -> bool:
        return self._choice is not None and (self._choice.name, self._choice.url) != self._wanted

    @property
    def wanted(self) -> str:
        return self._wanted[0]

    async def renew(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Embed everything with the wanted embedder, then search with it; `progress` is told of each atom.

        Searches use the old vectors until all new ones are there, and what is put meanwhile gets both. Cut off, it can
        be begun again. Raises `ModelUnavailable`.
        """
        assert self._choice
        before = self._choice
        embedder = self._cached(await self._learned(*self._wanted))
        for retired in await self._vectors.retired():
            if retired.id == embedder.id:  # its index would be taken for the new one
                await self._forget(retired)
        renewal = _Renewal(embedder, f"v{int(before.field[1:] or 0) + 1}", progress)
        await create_index(self._store, embedder.id, embedder.dimensions, field=renewal.into)
        await self._catch_up(renewal)
        while not await is_whole(self._store, index_name(self._store, embedder.id)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        since = await self._catch_up(renewal)
        self._choice = EmbedderChoice(*self._wanted, embedder.id, embedder.dimensions, renewal.into)
        await self._vectors.choose(self._choice, before, since)
        self.current.become(embedder, renewal.into)
        await self._renew_changed(renewal)  # what came in between

    async def tidy(self) -> None:
        """Remove the vectors of embedders that no process uses any more.

        Until then processes that have not noticed the change search by them, and put them to what is new: such atoms
        have no vector of the embedder in use, and wait for it from here on.
        """
        for retired in await self._vectors.retired():
            if self._store.now() - retired.since >= EMBEDDER_GRACE_SECONDS * 1000:
                await self._forget(retired)

    async def run(self) -> None:
        """Keep to the embedder that the settings want, or that another process has changed to, until cancelled."""
        while self._choice:
            try:
                if self.outdated:
                    log.info("Embedding everything anew with %s; searches go on meanwhile.", self.wanted)
                    await self.renew()
                    log.info("Searches use the vectors of %s now.", self.wanted)
                stored = await self._vectors.choice()
                if stored is not None and stored.id != self._choice.id:
                    await self.open()
                await self.tidy()
            except StoaError as error:
                log.warning("%s", error)
            await asyncio.sleep(EMBEDDER_CHECK_SECONDS)

    async def count(self) -> int:
        names = await self._registry.names()
        return sum([len((await self._vectors.changed(name, 0))[0]) for name in names])

    async def _catch_up(self, renewal: _Renewal) -> int:
        """Embed until nothing is left to do; returns the moment (ms) before which nothing was missed."""
        while True:
            since = self._store.now()
            if not await self._renew_changed(renewal):
                return since

    async def _renew_changed(self, renewal: _Renewal) -> bool:
        return any([await self._renew_space(name, renewal) for name in await self._registry.names()])

    async def _renew_space(self, space: str, renewal: _Renewal) -> bool:
        ids, newest = await self._vectors.changed(space, renewal.done.get(space, 0))
        for start in range(0, len(ids), REEMBED_BATCH_ATOMS):
            some = ids[start : start + REEMBED_BATCH_ATOMS]
            for id in some:
                if found := await self._vectors.pieces(space, id):
                    version, texts = found
                    if texts[1:]:
                        vectors = await renewal.embedder.embed(texts)
                    else:
                        vectors = [await embed_in_context(renewal.embedder, self._vectors, space, id, *texts)]
                    await self._vectors.add(space, id, version, renewal.into, vectors)
            renewal.progress(len(some))
        moved, renewal.done[space] = newest > renewal.done.get(space, 0), newest
        return moved

    async def _forget(self, retired: RetiredEmbedder) -> None:
        assert self._choice
        for name in await self._registry.names():
            await self._vectors.refuse_before(name, self._choice.field)
            ids, _ = await self._vectors.changed(name, 0)
            for start in range(0, len(ids), REEMBED_BATCH_ATOMS):
                some = ids[start : start + REEMBED_BATCH_ATOMS]
                await self._vectors.forget(name, some, retired, self._choice.field)
        await drop_index(self._store, index_name(self._store, retired.id))
        await self._vectors.forget_embedder(retired.field)

    async def _learned(self, name: str, url: str) -> Embedder:
        embedder = self._made(name, url, 0)
        if isinstance(embedder, RemoteEmbedder):
            await embedder.learn()
        return embedder

    def _made(self, name: str, url: str, dimensions: int) -> Embedder:
        return self._local if name == LOCAL_EMBEDDER else RemoteEmbedder(name, url, dimensions)

    def _cached(self, embedder: Embedder) -> Embedder:
        return CachedEmbedder(embedder, self._store)
