"""Finding at 100,000 atoms of 384 dimensions: against the bare query, the exact answer, and a space alone."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.rows import Row
from benchmarks.spaces import Command
from benchmarks.stages import Act, FixedEmbedder, Stage, alternate, sentences
from core.atoms.atoms import Atom
from core.house import House
from core.search.filters import Filter, FilterScope, Query, States, restrict
from core.search.index import by_meaning, index_name, is_whole
from core.search.query import SearchRequest
from core.spaces.maintenance import Tending
from core.spaces.spaces import Space

ATOMS, PART = 90_000, 10_000
DIMENSIONS = 384
ASKED = 100
FREE: States = {"blocked_by": {"status": "done"}}
SHARES = {"1 %": 100, "10 %": 10, "100 %": 1}
"""Which part of the atoms a filter keeps: each n-th."""


async def finding(stage: Stage) -> list[Row]:
    """Searches of a space of 90,000 atoms, and of one of 10,000 beside it."""
    embedder = FixedEmbedder(20_000, DIMENSIONS)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(stage.house(embedder))
        alone = await stack.enter_async_context(stage.house(embedder))
        big = await house.spaces.create("big")
        part, other = await house.spaces.create("part"), await alone.spaces.create("part")
        for space, count in ((big, ATOMS), (part, PART), (other, PART)):
            await _fill(stage, space, count)
        for one in (house, alone):
            await _indexed(one)
        return [
            *await _against_bare(stage, house, big),
            *await _recall(stage, embedder, big),
            await _fused(stage, big),
            await _beside(stage, part, other),
        ]


async def _fill(stage: Stage, space: Space, count: int) -> None:
    """Each n-th atom has the entry `every: n`; each third is blocked by the one before it."""
    texts, size, before = sentences(1, count), 90, list[Atom]()
    for first in stage.track(range(0, count, size), f"{count:,} atoms", count // size):
        puts = []
        for n in range(first, min(first + size, count)):
            text = f"{texts[n]} Order {n}."
            every = [str(m) for m in SHARES.values() if n % m == 0]
            status = "done" if n % 4 else "open"
            blocked = {"blocked_by": [before[n - first].id]} if n % 3 == 2 and n - first < len(before) else {}
            puts.append(space.put(text, metadata={"every": every, "status": status}, references=blocked))
        before = list(await asyncio.gather(*puts))


async def _indexed(house: House) -> None:
    """Give big spaces their indexes, and wait for them."""
    tending = Tending(house.spaces)
    await tending.everywhere()
    for name in await house.spaces.names():
        while not await is_whole(house.store, index_name(house.store, house.embedder.id, name)):
            await asyncio.sleep(0.2)


async def _against_bare(stage: Stage, house: House, space: Space) -> list[Row]:
    rows = []
    kinds: list[tuple[str, Filter, States]] = [
        ("meaning, metadata and reference state", {"status": "open"}, FREE),
        ("meaning alone", {}, {}),
    ]
    for name, metadata, references in kinds:
        texts = sentences(2, ASKED)
        bare = [await _query(house, space.id, text, metadata, references) for text in texts]
        times = await alternate(
            stage,
            name,
            [partial(space.search, text, metadata=metadata, references=references) for text in texts],
            [partial(house.store.run, *command) for command in bare],
            rounds=10,
        )
        rows.append(Row(f"100k: {name}", times[0], "ms", times[1], 1.15))
    return rows


async def _query(house: House, space: str, text: str, metadata: Filter, references: States) -> Command:
    query = Query()
    request = SearchRequest(metadata=metadata, references=references)
    query.filter = restrict(query, [space], request, FilterScope())
    (vector,) = await house.embedder.embed([text])
    return by_meaning(index_name(house.store, house.embedder.id, space), query, vector, 11)


async def _recall(stage: Stage, embedder: FixedEmbedder, space: Space) -> list[Row]:
    """Which part of the ten nearest is found, where a filter keeps so many."""
    import numpy as np

    texts = [f"{text} Order {n}." for n, text in enumerate(sentences(1, ATOMS))]
    vectors = np.frombuffer(b"".join(await embedder.embed(texts)), "<f2").reshape(ATOMS, -1).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = []
    for share, every in SHARES.items():
        found = 0
        asked = sentences(3, 20)
        for text in stage.track(asked, f"recall, {share}", len(asked)):
            wanted = np.frombuffer((await embedder.embed([text]))[0], "<f2").astype(np.float32)
            scores = vectors[::every] @ (wanted / np.linalg.norm(wanted))
            tenth = float(np.sort(scores)[-10]) - 1e-4
            atoms = await space.search(text, metadata={"every": str(every)}, by="meaning")
            found += sum(_score(atom) >= tenth for atom in atoms)
        rows.append(
            Row(f"100k: recall@10, a filter keeping {share}", found / (10 * len(asked)), "", None, 1.0, most=False)
        )
    return rows


def _score(atom: Atom) -> float:
    return atom.score if atom.score is not None else -1.0


async def _fused(stage: Stage, space: Space) -> Row:
    texts = [f"{text} Order {n * 7}." for n, text in enumerate(sentences(4, ASKED))]
    times = await alternate(
        stage,
        "words and meaning",
        [partial(space.search, text) for text in texts],
        [partial(space.search, text, by="meaning") for text in texts],
        rounds=10,
    )
    return Row("100k: rare words and meaning, bare: meaning alone", times[0], "ms", times[1], 1.3)


async def _beside(stage: Stage, part: Space, alone: Space) -> Row:
    def asking(space: Space) -> Sequence[Act]:
        return [partial(space.search, text, metadata={"status": "open"}) for text in sentences(5, ASKED)]

    times = await alternate(stage, "beside 90,000", asking(part), asking(alone), rounds=10)
    return Row("10k in 100k, bare: the same space alone", times[0], "ms", times[1], 1.3)
