"""Maintenance of spaces in the background: missing vectors, errands left over, indexes of big spaces."""

import logging
from collections.abc import Sequence

from core.models.embeddings import field_of
from core.redis.checks import memory_trouble
from core.search.index import create_index, drop_index, index_name, index_names, is_whole
from core.spaces.spaces import Spaces
from core.store.spaces import SpaceRegistry

OWN_INDEX_ATOMS = 2_000
"""A space with as many atoms is given an index of its own."""

log = logging.getLogger("stoa.spaces")


class Tending:
    """Keeps spaces in order while they are used. Any number of workers may do so at the same time."""

    def __init__(self, spaces: Spaces, big: int = OWN_INDEX_ATOMS) -> None:
        self._spaces = spaces
        self._big_atoms = big
        self._store = spaces.store
        self._registry = SpaceRegistry(spaces.store)
        self._counted: dict[str, int] = {}
        self._warned = False

    async def space(self, name: str) -> None:
        await self._spaces.embed_waiting([name])
        if await self._registry.has_errands(name):
            await self._store.settle(name, background=True)

    async def everywhere(self) -> None:
        """Finish what was left in any space, see to the indexes, and warn when memory runs out."""
        names = await self._registry.names()
        for name in await self._registry.owing(names):
            await self.space(name)
        await self.indexes(names)
        await self._watch_memory()

    async def _watch_memory(self) -> None:
        trouble = await memory_trouble(self._store.link)
        if trouble and not self._warned:
            log.warning("%s", trouble)
        self._warned = bool(trouble)

    async def indexes(self, names: Sequence[str]) -> None:
        """Give each big space an index of its own, which the engine fills meanwhile, and drop outdated ones."""
        if not (embedder := self._spaces.embedder):
            return
        store = self._store
        if not await is_whole(store, index_name(store, embedder.id)):
            return  # atoms cannot be counted yet
        there, wanted = await index_names(store), set[str]()
        for name, (changes, own) in zip(names, await self._registry.change_counts(names), strict=True):
            index = index_name(store, embedder.id, name)
            if index in there or await self._is_big(name, changes):
                wanted.add(index)
                await create_index(store, embedder.id, embedder.dimensions, name, field=field_of(embedder))
            if own != (index if index in wanted else ""):
                await self._registry.set_own_index(name, index if index in wanted else "")
        for old in set(there) - wanted:
            if old.startswith(store.keys.own_indexes()):
                await drop_index(store, old)

    async def _is_big(self, name: str, changes: int) -> bool:
        """Counted again only once the space has changed a tenth more often."""
        if changes < max(self._big_atoms, self._counted.get(name, 0) * 1.1):
            return False
        self._counted[name] = changes
        return await self._spaces.finder.count(name) >= self._big_atoms
