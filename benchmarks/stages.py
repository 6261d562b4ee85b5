"""What a subject is measured on: a house over an embedded Redis of its own, and rounds that alternate fairly."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar
from zlib import crc32

from rich.progress import Progress

from core.house import House, open_house
from core.models.embeddings import Embedder
from core.redis.server import EmbeddedRedis
from core.settings import load

T = TypeVar("T")
Act = Callable[[], Awaitable[object]]
DIMENSIONS = 896
FLIGHT = 32
"""How many acts are under way at once where throughput is measured."""


class FixedEmbedder:
    """Vectors as large as the real ones that only have to be looked up, so that no model's time is measured."""

    id = "fixed"

    def __init__(self, count: int = 1_000, dimensions: int = DIMENSIONS) -> None:
        import numpy as np

        self.dimensions = dimensions
        rows = np.random.default_rng(7).standard_normal((count, dimensions))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        self._vectors = [row.astype("<f2").tobytes() for row in rows]

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [self._vectors[crc32(text.encode()) % len(self._vectors)] for text in texts]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where subjects are measured."""

    progress: Progress

    def track(self, steps: Iterable[T], what: str, total: int) -> Iterator[T]:
        """The steps, with a bar that shows how far one has come."""
        return iter(self.progress.track(steps, total=total, description=what))

    @contextlib.asynccontextmanager
    async def house(self, embedder: Embedder | None = None, **settings: object) -> AsyncIterator[House]:
        """An empty house with a Redis of its own in a directory of its own; without an embedder, the real one."""
        with tempfile.TemporaryDirectory(prefix="stoa-bench-") as home:
            async with EmbeddedRedis(Path(home)) as server:
                chosen = load(home=Path(home), timezone="Europe/Paris", **settings)
                async with open_house(chosen, server.url, embedder=embedder) as house:
                    yield house


async def alternate(stage: Stage, what: str, *sides: Sequence[Act], rounds: int = 20) -> list[float]:
    """The median milliseconds of an act of each side, their acts done in rounds that alternate: A B, B A, A B ..."""
    taken: list[list[float]] = [[] for _ in sides]
    for one in stage.track(range(rounds), what, rounds):
        for which in range(len(sides)) if one % 2 else reversed(range(len(sides))):
            for act in sides[which][one::rounds]:
                begun = time.perf_counter()
                await act()
                taken[which].append((time.perf_counter() - begun) * 1000)
    return [statistics.median(times) for times in taken]


def sentences(seed: int, count: int) -> list[str]:
    """Plain sentences of some ten words; the same seed makes the same ones."""
    random = Random(seed)
    who = ("Anna", "Ben", "Clara", "David", "Emma", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Klara", "Luis")
    does = ("reviews", "plans", "cancels", "moves", "repairs", "reads", "sends", "paints", "orders", "measures")
    what = ("report", "garden", "meeting", "bicycle", "kitchen", "letter", "invoice", "concert", "dinner", "lecture")
    when = ("today", "tomorrow", "soon", "again", "later", "early", "gladly", "twice", "quickly", "together")

    def clause() -> str:
        return f"{random.choice(who)} {random.choice(does)} the {random.choice(what)} {random.choice(when)}"

    return [f"{clause()}, then {clause()}." for _ in range(count)]


async def flight(acts: Sequence[Act], at_once: int = FLIGHT) -> None:
    """Do all of them, so many at a time."""
    waiting: Iterator[Act] = iter(acts)

    async def carry_out() -> None:
        for act in waiting:
            await act()

    await asyncio.gather(*(carry_out() for _ in range(at_once)))
