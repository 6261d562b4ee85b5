"""Stoa against its peers at the same work with the same vectors, each in an environment of its own under build/."""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from types import ModuleType

from benchmarks import peer, peer_flight
from benchmarks.rows import Row
from benchmarks.stages import Act, Stage, flight
from core.errors import StoaError
from core.redis.server import EmbeddedRedis
from core.spaces.spaces import Space

ENVIRONMENTS = Path(__file__).parent.parent / "build" / "peers"
SIZES = [int(size) for size in os.environ.get("STOA_BENCH_PEERS", "10000,100000").split(",")]


@dataclass(frozen=True, slots=True)
class Peer:
    """What to install, the most that Stoa's time may be of the peer's, and what it does not do."""

    requirements: tuple[str, ...]
    lacks: str
    goals: dict[str, float] = field(default_factory=dict)
    least: int = 0
    """From how many atoms on the goals hold."""


PEERS = {
    "redisvl": Peer(("redisvl",), "no rights, versions, history, references, notification", {"put": 0.5, "get": 0.5}),
    "redis-om": Peer(
        ("redis-om>=1.2",), "no rights, versions, history; an update can lose another's", {"put": 0.2, "get": 0.2}
    ),
    "langgraph-checkpoint-redis": Peer(  # whose asyncio store does not start with a newer redisvl
        ("langgraph", "langgraph-checkpoint-redis", "redisvl<0.27"),
        "no rights, versions, history, notification; filters after nearest neighbours, so answers are not full",
        {"put": 0.125, "search": 0.714},
    ),
    "mem0": Peer(("mem0ai", "redisvl<0.10"), "its vector store alone: no rights, references, notification; own fields"),
    "chromadb": Peer(
        ("chromadb",), "no rights, versions, history, references, notification", {"search": 0.04}, 100_000
    ),
    "sqlite-vec": Peer(
        ("sqlite-vec", "pysqlite3-binary"), "one process, no server: nobody else sees a change", {"search": 1.0}, 30_000
    ),
}


class Looked:
    """The common vectors, by the text they belong to."""

    id = "looked-up"
    dimensions = peer.DIMENSIONS

    def __init__(self, items: Sequence[peer.Item]) -> None:
        self._vectors = {text: vector.astype("<f2").tobytes() for _, text, _, vector in items}

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [self._vectors[text] for text in texts]


async def peers(stage: Stage) -> list[Row]:
    """Put, get, update and search by each peer's ordinary client; put and get by its asyncio client, too.

    Redis serves all who use one, with the same settings.
    """
    rows = []
    for name, one in stage.track(PEERS.items(), "install the peers", len(PEERS)):
        await _install(name, one)
    for size in SIZES:
        async with _ours(stage, size) as stoa:
            recall = (await stoa.measure())["recall"]
            rows.append(Row(f"Stoa, {size:,} atoms: recall@10 with a filter", recall, "", goal=0.99, most=False))
            for name, one in stage.track(PEERS.items(), f"peers at {size:,} atoms", len(PEERS)):
                theirs, ours = await _theirs(name, size), await stoa.measure()
                rows.append(Row(f"{name}, {size:,} atoms: recall@10 ({one.lacks})", theirs["recall"], ""))
                for act in peer.ACTS:
                    goal = one.goals.get(act) if size >= one.least else None
                    rows.append(Row(f"· {act}: Stoa, {name}", ours[act], "ms", theirs[act], goal))
                if name in peer_flight.PEERS:
                    theirs, ours = await _theirs(name, size, peer_flight), await stoa.fly()
                    for act in theirs:
                        goal = one.goals.get(act.partition(",")[0])
                        rows.append(Row(f"· {act}, asyncio: Stoa, {name}", ours[act], "ms", theirs[act], goal))
    return rows


async def _install(name: str, one: Peer) -> None:
    """An environment of its own, unless it is there."""
    place, uv = ENVIRONMENTS / name, Path(sys.executable).with_name("uv")
    if (made := place / "made").exists() and made.read_text() == str(one.requirements):
        return
    # From elsewhere: this project's own overrides would keep out what the peers need.
    await _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place])
    await _run([uv, "pip", "install", "--quiet", "--python", place / "bin" / "python", "numpy", *one.requirements])
    made.write_text(str(one.requirements))


async def _theirs(name: str, size: int, how: ModuleType = peer) -> dict[str, float]:
    program = ENVIRONMENTS / name / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as home:
        async with EmbeddedRedis(Path(home)) as server:
            directory = Path(home) / "peer"
            directory.mkdir()
            printed = await _run([program, str(how.__file__), name, server.url, directory, str(size)])
    measured: dict[str, float] = json.loads(printed.splitlines()[-1])
    return measured


class Ours:
    """Stoa at the common work, as the owner does it: with rights, history, change log and news."""

    def __init__(self, space: Space, size: int, everything: Sequence[peer.Item]) -> None:
        self._space = space
        self._atoms = everything[:size]
        first, last = size + peer.ACTS["put"], size + peer.ACTS["put"] + peer.ACTS["search"]
        self._asked = everything[first:last]
        self._new = iter([*everything[size:first], *everything[last:]])
        self._ids: dict[str, str] = {}

    async def put(self, item: peer.Item) -> None:
        self._ids[item[0]] = (await self._space.put(item[1], metadata={"status": item[2]})).id

    async def fill(self, stage: Stage) -> None:
        size = len(self._atoms)
        for some in stage.track(batched(self._atoms, peer.BATCH), f"{size:,} atoms", -(-size // peer.BATCH)):
            acts: list[Act] = [partial(self.put, item) for item in some]
            await flight(acts)

    async def measure(self) -> dict[str, float]:
        """The median milliseconds of each act and the recall of the searches, each act done one at a time."""
        space, new = self._space, list(islice(self._new, peer.ACTS["put"]))
        step = max(1, len(self._atoms) // peer.ACTS["get"])
        some = self._atoms[::step][: peer.ACTS["get"]]
        taken = {"put": [await _milliseconds(self.put(item)) for item in new]}
        taken["get"] = [await _milliseconds(space.get(self._ids[item[0]])) for item in some]
        names = {own: name for name, own in self._ids.items()}
        found: list[list[str]] = []

        async def search(item: peer.Item) -> None:
            hits = await space.search(item[1], metadata={"status": "pending"}, limit=peer.LIMIT, by="meaning")
            found.append([names[hit.id] for hit in hits])

        taken["search"] = [await _milliseconds(search(item)) for item in self._asked]
        taken["update"] = []
        for status in (peer.moved, str):  # there and back, so that the next time begins with the same
            for item in some[: peer.ACTS["update"] // 2]:
                change = {"status": status(item[2])}
                act = space.update(self._ids[item[0]], comment="moved", metadata=change)
                taken["update"].append(await _milliseconds(act))
        return {act: statistics.median(times) for act, times in taken.items()} | {
            "recall": peer.recall(found, [*self._atoms, *new], self._asked)
        }

    async def fly(self) -> dict[str, float]:
        """The milliseconds for each put and get, one at a time and many."""
        return await peer_flight.flights(
            [partial(self.put, item) for item in islice(self._new, peer_flight.PUTS)],
            [partial(self._space.get, self._ids[item[0]]) for item in self._atoms],
        )


@contextlib.asynccontextmanager
async def _ours(stage: Stage, size: int) -> AsyncIterator[Ours]:
    """A house with so many atoms that stays open, so that it is measured beside each peer, not at another time."""
    puts = (1 + len(PEERS)) * peer.ACTS["put"] + len(peer_flight.PEERS) * peer_flight.PUTS
    everything = peer.items(size + peer.ACTS["search"] + puts)
    async with stage.house(Looked(everything)) as house:
        ours = Ours(await house.spaces.create("ours"), size, everything)
        await ours.fill(stage)
        yield ours


def batched(items: Sequence[peer.Item], size: int) -> list[Sequence[peer.Item]]:
    """The items, so many at a time."""
    return [items[first : first + size] for first in range(0, len(items), size)]


async def _milliseconds(act: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await act
    return (time.perf_counter() - begun) * 1000


async def _run(command: Sequence[str | Path]) -> str:
    """What a program prints; raises with the end of what it complains of."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=tempfile.gettempdir(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    printed, complained = await process.communicate()
    if process.returncode:
        raise StoaError(f"{Path(command[0]).name} failed: {complained.decode()[-500:]}")
    return printed.decode()
