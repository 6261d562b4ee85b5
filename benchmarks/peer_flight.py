"""One peer by its own asyncio client, as Stoa has no other: `python peer_flight.py NAME REDIS_URL DIRECTORY ATOMS`.

It runs in the environment of the peers. What it prints is JSON: the milliseconds for each act, one at a time and many.
"""

import asyncio
import importlib
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

# Where it is run, nothing of the project is known but what lies beside it.
peer: Any = importlib.import_module("peer" if __name__ == "__main__" else "benchmarks.peer")

FLIGHTS = {"one at a time": 1, "32 at once": 32}
"""How many acts are under way at once."""
COUNT = 2_000
"""How many acts of a kind are done in each flight."""
PUTS = len(FLIGHTS) * COUNT
"""How many atoms are put in all."""
Act = Callable[[], Awaitable[object]]


class RedisVL:
    """redisvl, as in peer.py."""

    async def open(self, url: str) -> None:
        index = importlib.import_module("redisvl.index").AsyncSearchIndex
        self.index = index.from_dict(peer.redisvl_schema(), redis_url=url)
        await self.index.create(overwrite=True)

    async def fill(self, items: Sequence[Any]) -> None:
        await self.index.load(peer.redisvl_rows(items), id_field="id")

    async def get(self, id: str) -> object:
        return await self.index.fetch(id)


class RedisOM:
    """redis-om, as in peer.py."""

    async def open(self, url: str) -> None:
        os.environ["REDIS_OM_URL"] = url
        om = importlib.import_module("aredis_om")
        self.model = peer.redis_om_model(om, importlib.import_module("aredis_om.model.model"))
        await om.Migrator().run()

    async def fill(self, items: Sequence[Any]) -> None:
        for id, text, status, vector in items:
            await self.model(pk=id, text=text, status=status, vector=vector.tolist()).save()

    async def get(self, id: str) -> object:
        found: object = await self.model.get(id)
        return found


class LangGraph:
    """langgraph-checkpoint-redis: the store, as in peer.py."""

    async def open(self, url: str) -> None:
        self.vectors: dict[str, list[float]] = {}
        index = {"dims": peer.DIMENSIONS, "embed": self.embed, "fields": ["text"], "distance_type": "cosine"}
        self.store = importlib.import_module("langgraph.store.redis.aio").AsyncRedisStore(url, index=index)
        await self.store.setup()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    async def fill(self, items: Sequence[Any]) -> None:
        for id, text, status, vector in items:
            self.vectors[text] = vector.tolist()
            await self.store.aput(("atoms",), id, {"text": text, "status": status})

    async def get(self, id: str) -> object:
        found: object = await self.store.aget(("atoms",), id)
        return found


PEERS: dict[str, Callable[[], Any]] = {
    "redisvl": RedisVL,
    "redis-om": RedisOM,
    "langgraph-checkpoint-redis": LangGraph,
}


async def work(name: str, url: str, count: int) -> dict[str, float]:
    """Fill the peer, then put and get, few and many at once."""
    asked = PEERS[name]()
    await asked.open(url)
    everything = peer.items(count + PUTS)
    atoms, new = everything[:count], everything[count:]
    for first in range(0, count, peer.BATCH):
        await asked.fill(atoms[first : first + peer.BATCH])
    assert await asked.get(atoms[0][0]), "it does not find what was put"
    return await flights(
        [lambda item=item: asked.fill([item]) for item in new],  # type: ignore[misc]
        [lambda item=item: asked.get(item[0]) for item in atoms],  # type: ignore[misc]
    )


async def flights(puts: Sequence[Act], gets: Sequence[Act]) -> dict[str, float]:
    """The milliseconds for each put and get, one at a time and many; fewer gets are done again."""
    taken, left = {}, iter(puts)
    for how, at_once in FLIGHTS.items():
        taken[f"put, {how}"] = await _flown(list(itertools.islice(left, COUNT)), at_once)
        taken[f"get, {how}"] = await _flown(list(itertools.islice(itertools.cycle(gets), COUNT)), at_once)
    return taken


async def _flown(acts: Sequence[Act], at_once: int) -> float:
    left = iter(acts)

    async def one() -> None:
        for act in left:
            await act()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(at_once)))
    return (time.perf_counter() - begun) * 1000 / len(acts)


if __name__ == "__main__":
    name, url, _, count = sys.argv[1:]
    print(json.dumps(asyncio.run(work(name, url, int(count)))))
