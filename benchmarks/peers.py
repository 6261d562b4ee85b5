"""Stoa against its peers at the same work with the same vectors, each in an environment of its own under build/."""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import peer
from benchmarks.rows import Row
from benchmarks.stages import Act, Stage, flight
from core.errors import StoaError
from core.redis_server import EmbeddedRedis

ENVIRONMENTS = Path(__file__).parent.parent / "build" / "peers"
SIZES = [int(size) for size in os.environ.get("STOA_BENCH_PEERS", "10000,100000").split(",")]


@dataclass(frozen=True, slots=True)
class Peer:
    """What to install, the most that Stoa's time may be of the peer's, and what it does not do."""

    requirements: tuple[str, ...]
    lacks: str
    goals: dict[str, float] = field(default_factory=dict)


PEERS = {
    "redisvl": Peer(("redisvl",), "no rights, versions, history, references, notification", {"put": 0.5, "get": 0.5}),
    "redis-om": Peer(
        ("redis-om>=1.2",), "no rights, versions, history; an update can lose another's", {"put": 0.2, "get": 0.2}
    ),
    "langgraph-checkpoint-redis": Peer(
        ("langgraph", "langgraph-checkpoint-redis"),
        "no rights, versions, history, notification; filters after nearest neighbours, so answers are not full",
        {"put": 0.125, "search": 0.714},
    ),
    "mem0": Peer(("mem0ai", "redisvl<0.10"), "its vector store alone: no rights, references, notification; own fields"),
    "chromadb": Peer(("chromadb",), "no rights, versions, history, references, notification", {"search": 0.04}),
    "sqlite-vec": Peer(
        ("sqlite-vec", "pysqlite3-binary"), "one process, no server: nobody else sees a change", {"search": 1.0}
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
    """Put, get, update and search one at a time. Redis serves all who use one, with the same settings."""
    rows = []
    for name, one in stage.track(PEERS.items(), "install the peers", len(PEERS)):
        await _install(name, one)
    for size in SIZES:
        ours = await _ours(stage, size)
        rows.append(Row(f"Stoa, {size:,} atoms: recall@10 with a filter", ours["recall"], "", goal=0.99, most=False))
        for name, one in stage.track(PEERS.items(), f"peers at {size:,} atoms", len(PEERS)):
            theirs = await _theirs(name, size)
            rows.append(Row(f"{name}, {size:,} atoms: recall@10 ({one.lacks})", theirs["recall"], ""))
            for act in peer.ACTS:
                big_enough = name != "sqlite-vec" or size >= 30_000
                goal = one.goals.get(act) if big_enough else None
                rows.append(Row(f"· {act}: Stoa, {name}", ours[act], "ms", theirs[act], goal))
    return rows


async def _install(name: str, one: Peer) -> None:
    """An environment of its own, unless it is there."""
    place, uv = ENVIRONMENTS / name, Path(sys.executable).with_name("uv")
    if (place / "made").exists():
        return
    # From elsewhere: this project's own overrides would keep out what the peers need.
    await _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place])
    await _run([uv, "pip", "install", "--quiet", "--python", place / "bin" / "python", "numpy", *one.requirements])
    (place / "made").touch()


async def _theirs(name: str, size: int) -> dict[str, float]:
    program = ENVIRONMENTS / name / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as home:
        async with EmbeddedRedis(Path(home)) as server:
            directory = Path(home) / "peer"
            directory.mkdir()
            printed = await _run([program, peer.__file__, name, server.url, directory, str(size)])
    measured: dict[str, float] = json.loads(printed.splitlines()[-1])
    return measured


async def _ours(stage: Stage, size: int) -> dict[str, float]:
    """The same work by Stoa, as the owner does it: with rights, history, change log and news."""
    everything = peer.items(size + peer.ACTS["put"] + peer.ACTS["search"])
    atoms, asked = everything[:size], everything[-peer.ACTS["search"] :]
    new = everything[size : -peer.ACTS["search"]]
    async with stage.house(Looked(everything)) as house:
        space = await house.spaces.create("ours")
        ids: dict[str, str] = {}

        async def put(item: peer.Item) -> None:
            ids[item[0]] = (await space.put(item[1], metadata={"status": item[2]})).id

        for first in stage.track(range(0, size, peer.BATCH), f"{size:,} atoms", -(-size // peer.BATCH)):
            acts: list[Act] = [partial(put, item) for item in atoms[first : first + peer.BATCH]]
            await flight(acts)
        some = atoms[:: max(1, size // peer.ACTS["get"])][: peer.ACTS["get"]]
        taken = {"put": [await _milliseconds(put(item)) for item in new]}
        taken["get"] = [await _milliseconds(space.get(ids[item[0]])) for item in some]
        names = {own: name for name, own in ids.items()}
        found: list[list[str]] = []

        async def search(item: peer.Item) -> None:
            hits = await space.search(item[1], metadata={"status": "pending"}, limit=peer.LIMIT)
            found.append([names[hit.id] for hit in hits])

        taken["search"] = [await _milliseconds(search(item)) for item in asked]
        moved = some[: peer.ACTS["update"]]
        taken["update"] = [
            await _milliseconds(space.update(ids[item[0]], comment="moved", metadata={"status": item[2]}))
            for item in moved
        ]
    return {act: statistics.median(times) for act, times in taken.items()} | {
        "recall": peer.recall(found, [*atoms, *new], asked)
    }


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
