"""Tending: what is done for spaces in the background: missing vectors, errands left over, indexes of big spaces."""

from collections.abc import Sequence

from core.models.embeddings import field_of
from core.search.index import create_index, index_name, is_whole
from core.spaces.spaces import Spaces

OWN_INDEX_ATOMS = 2_000
"""From how many atoms on a space is given an index of its own."""


class Tending:
    """Keeps spaces in order while they are used. Any number of workers may do so at the same time."""

    def __init__(self, spaces: Spaces, big: int = OWN_INDEX_ATOMS) -> None:
        self._spaces = spaces
        self._from = big
        self._store = spaces.store
        self._counted: dict[str, int] = {}

    async def space(self, name: str) -> None:
        """Do what a change of this space has left to be done."""
        await self._spaces.embed_waiting([name])
        if await self._store.run("EXISTS", self._store.keys.errands(name)):
            await self._store.settle(name, background=True)

    async def everywhere(self) -> None:
        """Find what was left in any space, and see to the indexes."""
        keys = self._store.keys
        names = [name.decode() for name in await self._store.run("SMEMBERS", keys.spaces())]
        left = await self._store.together(*(["EXISTS", keys.errands(n), keys.unembedded(n)] for n in names))
        for name, found in zip(names, left, strict=True):
            if found:
                await self.space(name)
        await self.indexes(names)

    async def indexes(self, names: Sequence[str]) -> None:
        """Give each big space an index of its own, which the engine fills meanwhile, and drop what is outdated."""
        if not (embedder := self._spaces.embedder):
            return
        store, keys = self._store, self._store.keys
        if not await is_whole(store, index_name(store, embedder.id)):
            return  # atoms cannot be counted yet
        known = await store.together(*(["HMGET", keys.space(name), "seq", "own"] for name in names))
        there = {one.decode() for one in await store.run("FT._LIST")}
        wanted = set()
        for name, (changes, own) in zip(names, known, strict=True):
            index = index_name(store, embedder.id, name)
            if index in there or await self._big(name, int(changes or 0)):
                wanted.add(index)
                await create_index(store, embedder.id, embedder.dimensions, name, field=field_of(embedder))
            if (own or b"").decode() != (index if index in wanted else ""):
                await store.run("HSET", keys.space(name), "own", index if index in wanted else "")
        for old in there - wanted:
            if old.startswith(keys.own_indexes()):
                await store.run("FT.DROPINDEX", old)

    async def _big(self, name: str, changes: int) -> bool:
        """Whether the space has that many atoms; counted when it has changed a tenth more often than the last time."""
        if changes < max(self._from, self._counted.get(name, 0) * 1.1):
            return False
        self._counted[name] = changes
        return await self._spaces.finder.count(name) >= self._from
