"""Spaces against the bare commands that each operation must cost, over 10,000 atoms.

The bare side is redis-py's asyncio client in the same process, as whoever does without Stoa would use it; a second row
has the same commands over our own link. Its arguments are made before the clock starts; ours are made while it runs,
with the checks of right, fence and repetition, and with the values that we answer with.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from random import Random

from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.rows import Row
from benchmarks.stages import Act, FixedEmbedder, Stage, alternate, flight, sentences
from core.atoms.atoms import new_id
from core.house import House
from core.redis.cluster import Cluster
from core.redis.link import Link
from core.search.filters import Filter, FilterScope, Query, States, restrict
from core.search.index import ATOM_FIELDS, INDEX_SCHEMA, by_meaning, newest
from core.search.query import SearchRequest
from core.spaces.spaces import Space
from core.store.codec import SEPARATOR, json_of, metadata_patch, pack, token
from core.store.store import Argument, client

ATOMS = 10_000
UNDER_WAY = 64
STATUS: dict[str, str | int] = {"status": "pending", "priority": 5}
Command = Sequence[Argument]


async def spaces(stage: Stage) -> list[Row]:
    """search, put, update, get and notify one at a time, then puts with many under way."""
    async with stage.house(FixedEmbedder()) as house, _bare(house) as bare:
        ours = await house.spaces.create("ours")
        ids = await _fill(stage, ours)
        return [
            *await _searches(stage, ours, bare),
            *await _puts(stage, ours, bare, ids),
            *await _updates(stage, ours, bare, ids[::3]),  # nobody refers to these: nothing follows from an update
            *await _updates_with_dependants(stage, ours, bare, ids[1::3]),
            *await _gets(stage, ours, bare, ids),
            *await _puts_together(stage, ours, bare),
        ]


class Bare:
    """What our operations are compared with: the same writes and reads, said to Redis directly."""

    def __init__(self, house: House, link: Link | Cluster, redis: Redis) -> None:
        self.keys = house.store.keys
        self._house = house
        self._link = link
        self._redis = redis

    async def put(self, content: str, blocker: str = "") -> list[Command]:
        """What a put writes: the atom with its index fields, its history, the count, the log; and the news of it."""
        id, now = new_id(), int(time.time() * 1000)
        (vector,) = await self._house.embedder.embed([content])
        references = pack({"blocked_by": [blocker]}) if blocker else b""
        atom: list[Argument] = ["sp", "bare", "c", content, "ver", 1, "by", "owner", "o", "owner", "ct", now, "t", now]
        atom += ["b", now * 2048, "op", id, "f", references, "m", _packed(STATUS), "kv", _tokens(STATUS)]
        atom += ["n0", 5, "v", vector]
        links: list[Command] = []
        if blocker:
            state = "blocked_by|status=pending"
            atom += ["rt", "blocked_by", "rs", state, "ra", state]
            links = [["ZADD", self.keys.referrers("bare", blocker), 0, f"blocked_by{SEPARATOR}{id}"]]
        entry = pack([1, now, "owner", "put", content, content, metadata_patch(STATUS), references])
        return [
            ["HSET", self.keys.atom("bare", id), *atom],
            ["RPUSH", self.keys.history("bare", id), entry],
            *links,
            *self._news(id, "put", now, content),
        ]

    def update(self, id: str, dependants: Sequence[str] = ()) -> list[Command]:
        """What an update of one metadata entry writes, here and in the dependants' index fields, and the answer."""
        now, atom, moved = int(time.time() * 1000), self.keys.atom("ours", id), STATUS | {"status": "moved"}
        entry = pack([2, now, "owner", "update", "moved on", False, metadata_patch({"status": "moved"}), b""])
        return [
            ["HSET", atom, "ver", 2, "t", now, "m", _packed(moved), "kv", _tokens(moved)],
            ["RPUSH", self.keys.history("ours", id), entry],
            ["SET", self.keys.operation("ours", new_id()), 2, "EX", 86_400],
            *(["HSET", self.keys.atom("ours", one), *_state("moved")] for one in dependants),
            *self._news(id, "update", now, "moved on"),
            ["HMGET", atom, *ATOM_FIELDS],
        ]

    async def search(self, text: str, metadata: Filter, references: States) -> Command:
        """The FT.SEARCH that our search sends, word for word."""
        index, query = self.keys.index(INDEX_SCHEMA, self._house.embedder.id), Query()
        request = SearchRequest(metadata=metadata, references=references)
        query.filter = restrict(query, ["ours"], request, FilterScope({"priority": "n0"}))
        if not text:
            return newest(index, query, 11)
        (vector,) = await self._house.embedder.embed([text])
        return by_meaning(index, query, vector, 11)

    async def run(self, command: Command) -> None:
        """One command."""
        await self._link.ask(command)

    async def together(self, commands: Sequence[Command]) -> None:
        """All of them in one round trip, over our own link."""
        await self._link.ask(*commands)

    async def pipeline(self, commands: Sequence[Command]) -> None:
        """All of them in one round trip, by redis-py."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        await pipeline.execute()

    async def execute(self, command: Command) -> None:
        """One command, by redis-py."""
        await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    def _news(self, id: str, operation: str, now: int, comment: str) -> list[Command]:
        entry: list[Argument] = ["op", operation, "id", id, "ver", 1, "by", "owner", "o", "owner", "c", comment]
        entry += ["t", now, "r", "bare/1", "d", 0, "l", ""]
        log = self.keys.changes("bare")
        return [
            ["HINCRBY", self.keys.space("bare"), "seq", 1],
            ["XADD", log, "*", *entry],
            ["PUBLISH", log, pack([[], 1, [*entry]])],
        ]


@asynccontextmanager
async def _bare(house: House) -> AsyncIterator[Bare]:
    pool = BlockingConnectionPool.from_url(house.url, protocol=2, max_connections=UNDER_WAY, timeout=60)
    async with aclosing(client(house.url)) as link, Redis(connection_pool=pool) as redis:
        yield Bare(house, link, redis)


def _rows(name: str, times: Sequence[float], goal: float) -> list[Row]:
    """Ours against redis-py, and against the same commands over our own link."""
    ours, plain, linked = times
    return [Row(name, ours, "ms", plain, goal), Row("· against the same over our own link", ours, "ms", linked)]


def _state(status: str) -> list[Argument]:
    """The index fields of an atom that is blocked by one in that state."""
    words = SEPARATOR.join(f"blocked_by|{key}={value}" for key, value in (STATUS | {"status": status}).items())
    return ["rt", "blocked_by", "fs", "", "rs", words, "ra", words, "rp", ""]


def _packed(metadata: dict[str, str | int]) -> bytes:
    return pack({key: json_of(value) for key, value in metadata.items()})


def _tokens(metadata: dict[str, str | int]) -> str:
    return SEPARATOR.join(word for key, value in metadata.items() for word in token(key, value))


async def _fill(stage: Stage, space: Space) -> list[str]:
    """10,000 atoms of which each third one is blocked by the one before it; answers the ids."""
    random, texts, ids = Random(1), sentences(1, ATOMS), list[str]()
    size = 51
    for first in stage.track(range(0, ATOMS, size), f"{ATOMS:,} atoms", ATOMS // size + 1):
        puts = [
            space.put(
                text,
                metadata={"status": random.choice(["pending", "done"]), "priority": random.randrange(10)},
                references={"blocked_by": [ids[first + number - size - 1]]} if first and number % 3 == 2 else {},
            )
            for number, text in enumerate(texts[first : first + size])
        ]
        ids += [atom.id for atom in await asyncio.gather(*puts)]
    return ids


async def _searches(stage: Stage, ours: Space, bare: Bare) -> list[Row]:
    pending: Filter = {"status": "pending"}
    free: States = {"blocked_by": {"status": "done"}}
    asked, unasked = sentences(2, 150), [""] * 150
    kinds: list[tuple[str, list[str], Filter, States, float | None]] = [
        ("search: meaning, metadata and reference state", asked, pending, free, 1.3),
        ("search: meaning alone", asked, {}, {}, 1.3),
        ("search: meaning, metadata and a comparison", asked, {**pending, "priority": {"gte": 5}}, {}, None),
        ("search: newest first, without a query", unasked, pending, {}, None),
    ]
    rows = []
    for name, texts, metadata, references, goal in kinds:
        times = await alternate(
            stage,
            name,
            [partial(ours.search, text, metadata=metadata, references=references) for text in texts],
            [partial(bare.run, await bare.search(text, metadata, references)) for text in texts],
        )
        rows.append(Row(name, times[0], "ms", times[1], goal))
    return rows


async def _puts(stage: Stage, ours: Space, bare: Bare, ids: Sequence[str]) -> list[Row]:
    texts = sentences(3, 500)
    plain = await alternate(
        stage,
        "put",
        [partial(ours.put, text, metadata=STATUS) for text in texts],
        [partial(bare.pipeline, await bare.put(text)) for text in texts],
        [partial(bare.together, await bare.put(text)) for text in texts],
    )
    linked = await alternate(
        stage,
        "put with a reference",
        [
            partial(ours.put, text, metadata=STATUS, references={"blocked_by": [id]})
            for text, id in zip(texts, ids, strict=False)
        ],
        [partial(bare.pipeline, await bare.put(text, id)) for text, id in zip(texts, ids, strict=False)],
        [partial(bare.together, await bare.put(text, id)) for text, id in zip(texts, ids, strict=False)],
    )
    return [*_rows("put", plain, 1.3), *_rows("put with a reference", linked, 1.3)]


async def _updates(stage: Stage, ours: Space, bare: Bare, ids: Sequence[str]) -> list[Row]:
    times = await alternate(
        stage,
        "update",
        [partial(ours.update, id, comment="moved on", metadata={"status": "moved"}) for id in ids[:500]],
        [partial(bare.pipeline, bare.update(id)) for id in ids[500:1000]],
        [partial(bare.together, bare.update(id)) for id in ids[1000:1500]],
    )
    return _rows("update of one metadata entry", times, 1.5)


async def _updates_with_dependants(stage: Stage, ours: Space, bare: Bare, ids: Sequence[str]) -> list[Row]:
    """Updates of atoms that block ten others each, whose index fields follow."""
    count = 100
    for id in ids[: 3 * count]:
        await asyncio.gather(*(ours.put("waits", references={"blocked_by": [id]}) for _ in range(9)))
    dependants = {id: [one.id for one in await ours.referrers(id)] for id in ids[count : 3 * count]}
    times = await alternate(
        stage,
        "update, ten dependants",
        [partial(ours.update, id, comment="moved on", metadata={"status": "moved"}) for id in ids[:count]],
        [partial(bare.pipeline, bare.update(id, dependants[id])) for id in ids[count : 2 * count]],
        [partial(bare.together, bare.update(id, dependants[id])) for id in ids[2 * count : 3 * count]],
        rounds=10,
    )
    return _rows("update of what ten others refer to", times, 1.5)


async def _gets(stage: Stage, ours: Space, bare: Bare, ids: Sequence[str]) -> list[Row]:
    read: list[Command] = [("HMGET", bare.keys.atom("ours", id), *ATOM_FIELDS) for id in ids]
    times = await alternate(
        stage,
        "get",
        [partial(ours.get, id) for id in ids[:1000]],
        [partial(bare.execute, one) for one in read[1000:2000]],
        [partial(bare.run, one) for one in read[2000:3000]],
    )
    return _rows("get", times, 1.2)


async def _puts_together(stage: Stage, ours: Space, bare: Bare) -> list[Row]:
    """Milliseconds a put while 64 are under way, against as many bare pipelines under way."""
    texts = sentences(5, 20 * UNDER_WAY * 4)
    size = UNDER_WAY * 4
    firsts = range(0, len(texts), size)

    def flights(acts: Sequence[Act]) -> list[Act]:
        return [partial(flight, acts[n : n + size], UNDER_WAY) for n in firsts]

    times = await alternate(
        stage,
        f"puts, {UNDER_WAY} under way",
        flights([partial(ours.put, text, metadata=STATUS) for text in texts]),
        flights([partial(bare.pipeline, await bare.put(text)) for text in texts]),
        flights([partial(bare.together, await bare.put(text)) for text in texts]),
    )
    return _rows(f"a put while {UNDER_WAY} are under way", [time / size for time in times], 1.4)
