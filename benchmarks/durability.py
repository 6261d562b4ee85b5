"""The embedded Redis with 100,000 atoms: what they cost in memory, and how they come back after kill -9."""

import asyncio
import contextlib
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.stages import FLIGHT, Act, FixedEmbedder, Stage, flight, sentences
from core.errors import StoreUnavailable
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.search.index import index_name, is_whole
from core.settings import load
from core.spaces.spaces import Space

ATOMS = int(os.environ.get("STOA_BENCH_ATOMS", "100000"))
DIMENSIONS = 384
SAMPLE = 1_000


async def durability(stage: Stage) -> list[Row]:
    """Bytes an atom with what they are; then a kill while 32 go on writing, and the way back."""
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as home:
        async with EmbeddedRedis(Path(home)) as server:
            embedder = FixedEmbedder(dimensions=DIMENSIONS)
            async with open_house(load(home=Path(home)), server.url, embedder=embedder) as house:
                space = await house.spaces.create("ours")
                empty = await _used(house)
                ids = await _fill(stage, space)
                memory = await _memory(house, embedder, ids, (await _used(house) - empty) / len(ids))
                return memory + await _back(house, server, embedder, space, ids)


async def _fill(stage: Stage, space: Space) -> list[str]:
    """Atoms with a sentence of about a hundred characters, two metadata entries and, each third one, a reference."""
    ids: list[str] = []
    texts, size = sentences(1, 5_000), FLIGHT * 16

    async def put(number: int) -> None:
        blocker = {"blocked_by": [ids[len(ids) // 2]]} if number % 3 == 2 and ids else {}
        text = f"{texts[number % 5_000]} ({number})"
        state: dict[str, str | int] = {"status": "pending", "priority": number % 10}
        ids.append((await space.put(text, metadata=state, references=blocker)).id)

    firsts = range(0, ATOMS, size)
    for first in stage.track(firsts, f"{ATOMS:,} atoms", len(firsts)):
        acts: list[Act] = [partial(put, number) for number in range(first, min(first + size, ATOMS))]
        await flight(acts)
    return ids


async def _used(house: House) -> int:
    facts = await house.store.run("INFO", "memory")
    return int(facts.partition(b"used_memory:")[2].split()[0])


async def _memory(house: House, embedder: FixedEmbedder, ids: Sequence[str], total: float) -> list[Row]:
    """What Redis says of a sample of the keys; what is left belongs to the index, the vectors above all."""
    keys, run = house.store.keys, house.store.run

    async def mean(key: str, samples: Sequence[str]) -> float:
        found = await house.store.together(
            *(["MEMORY", "USAGE", getattr(keys, key)("ours", id), "SAMPLES", 0] for id in samples)
        )
        return statistics.fmean(int(size or 0) for size in found)

    sample = ids[:: max(1, len(ids) // SAMPLE)]
    atom, history, referrers = [await mean(key, sample) for key in ("atom", "history", "referrers")]
    log = int(await run("MEMORY", "USAGE", keys.changes("ours"), "SAMPLES", 0)) / len(ids)
    info = await run("FT.INFO", index_name(house.store, embedder.id))
    told = dict(zip(info[::2], info[1::2], strict=True))
    vectors = float(told[b"vector_index_sz_mb"]) * 2**20 / len(ids)
    rest = total - atom - history - referrers - log - vectors
    return [
        Row(f"memory of an atom of {DIMENSIONS} dimensions, all of Redis", total, "bytes"),
        Row("· the atom, its vector among its fields", atom, "bytes"),
        Row("· the vectors once more in the index", vectors, "bytes"),
        Row("· its history", history, "bytes"),
        Row("· its change in the log", log, "bytes"),
        Row("· who refers to it", referrers, "bytes"),
        Row("· words, metadata and keys in the index, and the server's own tables", rest, "bytes"),
    ]


async def _back(
    house: House, server: EmbeddedRedis, embedder: FixedEmbedder, space: Space, ids: Sequence[str]
) -> list[Row]:
    acknowledged: list[str] = []

    async def write() -> None:
        with contextlib.suppress(StoreUnavailable):
            while True:
                acknowledged.append((await space.put(f"Written until the end ({len(acknowledged)}).")).id)

    writing = [asyncio.create_task(write()) for _ in range(FLIGHT)]
    while len(acknowledged) < 1_000:
        await asyncio.sleep(0.01)
    os.kill(server.pid, signal.SIGKILL)
    await server.died()
    for task in writing:
        task.cancel()
    await asyncio.gather(*writing, return_exceptions=True)
    begun = time.perf_counter()
    await server.restart()
    loaded = time.perf_counter() - begun
    while not await is_whole(house.store, index_name(house.store, embedder.id)):
        await asyncio.sleep(0.02)
    whole = time.perf_counter() - begun
    facts = await house.store.run("INFO", "cpu")
    busy = sum(float(facts.partition(name)[2].split()[0]) for name in (b"used_cpu_user:", b"used_cpu_sys:"))
    kept = [*ids, *acknowledged]
    there = await house.store.together(*(["EXISTS", house.store.keys.atom("ours", id)] for id in kept))
    found = await house.spaces.finder.count("ours")
    size = f"{len(ids):,} atoms"
    return [
        Row(f"{size} back after kill -9: loaded", loaded, "s"),
        Row(f"{size} back after kill -9: every one found by search", whole, "s", goal=10),
        Row("· for which the server computed", busy, "s"),
        Row("· acknowledged and lost", len(kept) - sum(there), "", goal=0),
        Row("· there and not found by search", max(0, sum(there) - found), "", goal=0),
    ]
