"""Embedders: which one the vectors of this Stoa are of, and the way to another while searches go on."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.atoms.atoms import OWNER
from core.errors import StoaError
from core.models.embeddings import CachedEmbedder, Embedder, LocalEmbedder
from core.models.remote_embeddings import RemoteEmbedder
from core.search.index import create_index, index_name, is_whole
from core.store.codec import pack
from core.store.store import Argument, Store

LOCAL_EMBEDDER = "local"
REEMBED_BATCH_ATOMS = 32
"""Atoms embedded anew in one round."""
EMBEDDER_CHECK_SECONDS = 10.0
"""Seconds between two looks at which embedder is used."""
EMBEDDER_GRACE_SECONDS = 30.0
"""Seconds after which no process uses an embedder any more that another has taken the place of."""
RETIRED_PREFIX = "retired:"

log = logging.getLogger("stoa.embedders")


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """An embedder by name, and in which field of the atoms its vectors are."""

    name: str
    url: str
    id: str
    dimensions: int
    field: str


class CurrentEmbedder:
    """The embedder whose vectors are searched; another takes its place when all its vectors are there."""

    def __init__(self, embedder: Embedder, field: str = "v") -> None:
        self.become(embedder, field)

    def become(self, embedder: Embedder, field: str) -> None:
        """Be another one from now on."""
        self._embedder = embedder
        self.id = embedder.id
        self.dimensions = embedder.dimensions
        self.field = field

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector a text, in order."""
        return await self._embedder.embed(texts)


class Embedders:
    """The embedder in use and the one that the settings want."""

    def __init__(self, store: Store, local: LocalEmbedder, name: str, url: str) -> None:
        self._store = store
        self._local = local
        self._wanted = (name, url if name != LOCAL_EMBEDDER else "")
        self._choice: EmbedderChoice | None = None
        self.current = CurrentEmbedder(local)

    async def open(self) -> CurrentEmbedder:
        """The embedder in use: the one the vectors that are there were made with, else the wanted one."""
        stored = await self._store.run("HGETALL", self._store.keys.embedder())
        if stored:
            known = {key.decode(): value.decode() for key, value in stored.items()}
            self._choice = EmbedderChoice(
                known["name"], known["url"], known["id"], int(known["dimensions"]), known["field"]
            )
            embedder = self._made(self._choice.name, self._choice.url, self._choice.dimensions)
        else:
            begun = await self._store.run("SCARD", self._store.keys.spaces())
            name, url = (LOCAL_EMBEDDER, "") if begun else self._wanted
            embedder = await self._learned(name, url)
            self._choice = EmbedderChoice(name, url, embedder.id, embedder.dimensions, "v")
            await self._keep(self._choice)
        self.current.become(self._cached(embedder), self._choice.field)
        await create_index(self._store, self.current.id, self.current.dimensions, field=self.current.field)
        return self.current

    @property
    def outdated(self) -> bool:
        """Whether the settings want another embedder than the one in use."""
        return self._choice is not None and (self._choice.name, self._choice.url) != self._wanted

    @property
    def wanted(self) -> str:
        """The name of the embedder that the settings want."""
        return self._wanted[0]

    async def renew(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Embed everything with the wanted embedder, then search with it; told of each atom that is done.

        Searches go on over the old vectors until all new ones are there, and what is put meanwhile gets both. Cut off,
        it can be begun again. Raises `ModelUnavailable`.
        """
        assert self._choice
        store, before = self._store, self._choice
        embedder = self._cached(await self._learned(*self._wanted))
        for past, id, since in await self._retired():
            if id == embedder.id:  # its index would be taken for the new one
                await self._forget(past, id, since)
        field = f"v{int(before.field[1:] or 0) + 1}"
        await create_index(store, embedder.id, embedder.dimensions, field=field)
        done: dict[str, int] = {}
        await self._caught_up(done, embedder, field, progress)
        while not await is_whole(store, index_name(store, embedder.id)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        since = await self._caught_up(done, embedder, field, progress)
        self._choice = EmbedderChoice(*self._wanted, embedder.id, embedder.dimensions, field)
        await self._keep(self._choice, before, since)
        self.current.become(embedder, field)
        await self._renew_all(done, embedder, field, progress)  # what came in between

    async def tidy(self) -> None:
        """Let the vectors go of embedders that no process uses any more.

        Until then processes that have not noticed the change search by them, and put them to what is new: such atoms
        have no vector of the embedder in use, and wait for it from here on.
        """
        for field, id, since in await self._retired():
            if self._store.now() - since >= EMBEDDER_GRACE_SECONDS * 1000:
                await self._forget(field, id, since)

    async def run(self) -> None:
        """Keep to the embedder that the settings want, or that another process has changed to, until cancelled."""
        while self._choice:
            try:
                if self.outdated:
                    log.info("Embedding everything anew with %s; searches go on meanwhile.", self.wanted)
                    await self.renew()
                    log.info("Searches use the vectors of %s now.", self.wanted)
                stored = await self._store.run("HGET", self._store.keys.embedder(), "id")
                if stored is not None and stored.decode() != self._choice.id:
                    await self.open()
                await self.tidy()
            except StoaError as error:
                log.warning("%s", error)
            await asyncio.sleep(EMBEDDER_CHECK_SECONDS)

    async def count(self) -> int:
        """How many atoms there are to be embedded, roughly."""
        names = await self._store.run("SMEMBERS", self._store.keys.spaces())
        return sum([len((await self._changed(name.decode(), 0))[0]) for name in names])

    async def _caught_up(
        self, done: dict[str, int], embedder: Embedder, field: str, progress: Callable[[int], None]
    ) -> int:
        """Embed until there is nothing left to do; the moment (ms) before which nothing was missed."""
        while True:
            since = self._store.now()
            if not await self._renew_all(done, embedder, field, progress):
                return since

    async def _renew_all(
        self, done: dict[str, int], embedder: Embedder, field: str, progress: Callable[[int], None]
    ) -> bool:
        """One look at every space; whether there was anything to do."""
        names = [name.decode() for name in await self._store.run("SMEMBERS", self._store.keys.spaces())]
        return any([await self._renew(name, done, embedder, field, progress) for name in names])

    async def _renew(
        self, space: str, done: dict[str, int], embedder: Embedder, field: str, progress: Callable[[int], None]
    ) -> bool:
        """Embed what has changed in a space since the last look; whether anything had."""
        ids, newest = await self._changed(space, done.get(space, 0))
        for start in range(0, len(ids), REEMBED_BATCH_ATOMS):
            some = ids[start : start + REEMBED_BATCH_ATOMS]
            for id in some:
                await self._renew_atom(space, id, embedder, field)
            progress(len(some))
        moved, done[space] = newest > done.get(space, 0), newest
        return moved

    async def _changed(self, space: str, after: int) -> tuple[list[str], int]:
        found: dict[str, None] = {}
        while entries := await self._store.run(*self._store.reading("stoa_changes", space, OWNER.id, after, 1000)):
            after = int(entries[-1][0].partition(b"-")[0])
            found |= dict.fromkeys(fields[fields.index(b"id") + 1].decode() for _, fields in entries)
        return [id for id in found if id], after

    async def _renew_atom(self, space: str, id: str, embedder: Embedder, field: str) -> None:
        keys = self._store.keys
        version, content, count = await self._store.run("HMGET", keys.atom(space, id), "ver", "c", "pn")
        if version is None:
            return
        commands: list[Sequence[Argument]] = [
            ["HGET", keys.atom(space, f"{id}#{n}"), "c"] for n in range(1, int(count or 0) + 1)
        ]
        texts = [text or b"" for text in (content, *await self._store.together(*commands))]
        vectors = await embedder.embed([text.decode() for text in texts])
        await self._store.run("FCALL", "stoa_reembed", 1, keys.space(space), id, version, field, pack(vectors))

    async def _clear(self, space: str, old: str, since: int) -> None:
        """Take the old vectors away; what has no new one, or may have an outdated one, waits for it."""
        assert self._choice
        told = (old, self._choice.field, since)
        ids, _ = await self._changed(space, 0)
        key = self._store.keys.space(space)
        for start in range(0, len(ids), REEMBED_BATCH_ATOMS):
            some = ids[start : start + REEMBED_BATCH_ATOMS]
            commands: list[Sequence[Argument]] = [["FCALL", "stoa_forget_vectors", 1, key, id, *told] for id in some]
            await self._store.together(*commands)

    async def _keep(self, choice: EmbedderChoice, before: EmbedderChoice | None = None, since: int = 0) -> None:
        told = ["name", choice.name, "url", choice.url, "id", choice.id, "field", choice.field]
        told += [f"{RETIRED_PREFIX}{before.field}", f"{since} {before.id}"] if before else []
        await self._store.run("HSET", self._store.keys.embedder(), *told, "dimensions", choice.dimensions)

    async def _retired(self) -> list[tuple[str, str, int]]:
        """The embedders whose vectors are still there: field, id, and since when another is in use (ms)."""
        found = []
        for name, told in (await self._store.run("HGETALL", self._store.keys.embedder())).items():
            if name.decode().startswith(RETIRED_PREFIX):
                since, _, id = told.decode().partition(" ")
                found.append((name.decode().removeprefix(RETIRED_PREFIX), id, int(since)))
        return found

    async def _forget(self, field: str, id: str, since: int) -> None:
        """Take away the vectors of a retired embedder and its index."""
        assert self._choice
        store = self._store
        for name in await store.run("SMEMBERS", store.keys.spaces()):
            await store.run("HSET", store.keys.space(name.decode()), "vf", self._choice.field)  # none come any more
            await self._clear(name.decode(), field, since)
        if index_name(store, id).encode() in await store.run("FT._LIST"):
            await store.run("FT.DROPINDEX", index_name(store, id))
        await store.run("HDEL", store.keys.embedder(), f"{RETIRED_PREFIX}{field}")

    async def _learned(self, name: str, url: str) -> Embedder:
        embedder = self._made(name, url, 0)
        if isinstance(embedder, RemoteEmbedder):
            await embedder.learn()
        return embedder

    def _made(self, name: str, url: str, dimensions: int) -> Embedder:
        return self._local if name == LOCAL_EMBEDDER else RemoteEmbedder(name, url, dimensions)

    def _cached(self, embedder: Embedder) -> Embedder:
        return CachedEmbedder(embedder, self._store)
