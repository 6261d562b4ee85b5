"""Spaces against the bare commands that each operation must cost, over 10,000 atoms.

The bare side uses the same client class in the same process. Its arguments are made before the clock starts; ours are
made while it runs, with the checks of right, fence and repetition, and with the values that we answer with.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from random import Random

from benchmarks.rows import Row
from benchmarks.stages import FLIGHT, Act, FixedEmbedder, Stage, alternate, flight, sentences
from core.atoms import new_id
from core.cluster import Cluster
from core.filters import Filter, Query, States, Terrain, restrict
from core.house import House
from core.link import Link
from core.search import FIELDS, SCHEMA, by_meaning, newest
from core.spaces import Space
from core.store import SEPARATOR, Argument, client, metadata_patch, pack, token, waiting_client

ATOMS = 10_000
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
            await _updates(stage, ours, bare, ids[::3]),  # nobody refers to these: nothing follows from an update
            await _gets(stage, ours, bare, ids),
            await _notified(stage, ours, bare),
            await _puts_together(stage, ours, bare),
        ]


class Bare:
    """What our operations are compared with: the same writes and reads, said to Redis directly."""

    def __init__(self, house: House, link: Link | Cluster) -> None:
        self.keys = house.store.keys
        self._house = house
        self._link = link

    async def put(self, content: str, blocker: str = "") -> list[Command]:
        """What a put writes: the atom with its index fields, its history, the count, the log; and the news of it."""
        id, now = new_id(), int(time.time() * 1000)
        (vector,) = await self._house.embedder.embed([content])
        references = pack({"blocked_by": [blocker]}) if blocker else b""
        atom: list[Argument] = ["sp", "bare", "c", content, "ver", 1, "by", "owner", "o", "owner", "ct", now, "t", now]
        atom += ["op", id, "f", references, "m", pack(STATUS), "kv", _tokens(STATUS), "n0", 5, "v", vector]
        links: list[Command] = []
        if blocker:
            state = "blocked_by|status=pending"
            atom += ["rt", "blocked_by", "rs", state, "ra", state]
            links = [["SADD", self.keys.referrers("bare", blocker), f"blocked_by{SEPARATOR}{id}"]]
        entry = pack([1, now, "owner", "put", content, content, metadata_patch(STATUS), references])
        return [
            ["HSET", self.keys.atom("bare", id), *atom],
            ["RPUSH", self.keys.history("bare", id), entry],
            *links,
            *self._news(id, "put", now, content),
        ]

    def update(self, id: str) -> list[Command]:
        """What an update of one metadata entry writes, and the atom read back as the answer."""
        now, atom, moved = int(time.time() * 1000), self.keys.atom("ours", id), STATUS | {"status": "moved"}
        entry = pack([2, now, "owner", "update", "moved on", False, metadata_patch({"status": "moved"}), b""])
        return [
            ["HSET", atom, "ver", 2, "t", now, "m", pack(moved), "kv", _tokens(moved)],
            ["RPUSH", self.keys.history("ours", id), entry],
            ["SET", self.keys.operation("ours", new_id()), 2, "EX", 86_400],
            *self._news(id, "update", now, "moved on"),
            ["HMGET", atom, *FIELDS],
        ]

    async def search(self, text: str, metadata: Filter, references: States) -> Command:
        """The FT.SEARCH that our search sends, word for word."""
        index, query = self.keys.index(SCHEMA, self._house.embedder.id), Query()
        query.filter = restrict(query, ["ours"], metadata, references, False, Terrain({"priority": "n0"}))
        if not text:
            return newest(index, query, 11)
        (vector,) = await self._house.embedder.embed([text])
        return by_meaning(index, query, vector, 11)

    async def run(self, command: Command) -> None:
        """One command."""
        await self._link.ask(command)

    async def together(self, commands: Sequence[Command]) -> None:
        """All of them in one round trip."""
        await self._link.ask(*commands)

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[asyncio.Event]:
        """Set whenever redis-py's publish/subscribe has brought the news of a bare put."""
        heard = asyncio.Event()
        redis = waiting_client(self._link)
        topics = redis.pubsub(ignore_subscribe_messages=True)
        await topics.subscribe(self.keys.changes("bare"))
        try:
            async with _setting(topics.listen(), heard):
                yield heard
        finally:
            await topics.aclose()  # type: ignore[no-untyped-call]
            await redis.aclose()

    def _news(self, id: str, operation: str, now: int, comment: str) -> list[Command]:
        entry: list[Argument] = ["op", operation, "id", id, "ver", 1, "by", "owner", "o", "owner", "c", comment]
        log = self.keys.changes("bare")
        return [
            ["HINCRBY", self.keys.space("bare"), "seq", 1],
            ["XADD", log, "*", *entry, "t", now, "r", "bare/1", "d", 0],
            ["PUBLISH", log, pack([1, 0, {}])],
        ]


@asynccontextmanager
async def _bare(house: House) -> AsyncIterator[Bare]:
    async with aclosing(client(house.url)) as link:
        yield Bare(house, link)


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
        [partial(bare.together, await bare.put(text)) for text in texts],
    )
    linked = await alternate(
        stage,
        "put with a reference",
        [
            partial(ours.put, text, metadata=STATUS, references={"blocked_by": [id]})
            for text, id in zip(texts, ids, strict=False)
        ],
        [partial(bare.together, await bare.put(text, id)) for text, id in zip(texts, ids, strict=False)],
    )
    return [Row("put", plain[0], "ms", plain[1], 1.6), Row("put with a reference", linked[0], "ms", linked[1], 1.6)]


async def _updates(stage: Stage, ours: Space, bare: Bare, ids: Sequence[str]) -> Row:
    times = await alternate(
        stage,
        "update",
        [partial(ours.update, id, comment="moved on", metadata={"status": "moved"}) for id in ids[:500]],
        [partial(bare.together, bare.update(id)) for id in ids[500:1000]],
    )
    return Row("update of one metadata entry", times[0], "ms", times[1])


async def _gets(stage: Stage, ours: Space, bare: Bare, ids: Sequence[str]) -> Row:
    times = await alternate(
        stage,
        "get",
        [partial(ours.get, id) for id in ids[:1000]],
        [partial(bare.run, ("HMGET", bare.keys.atom("ours", id), *FIELDS)) for id in ids[1000:2000]],
    )
    return Row("get", times[0], "ms", times[1])


async def _notified(stage: Stage, ours: Space, bare: Bare) -> Row:
    """From the beginning of a put until a subscriber has the change, against the same with bare publish/subscribe."""
    texts, told = sentences(4, 400), asyncio.Event()
    log = await ours.changes(limit=1_000_000)
    async with _setting(ours.follow(log[-1].seq), told), bare.heard() as heard:
        await _until(told, partial(ours.put, "The first."))
        times = await alternate(
            stage,
            "notify",
            [partial(_until, told, partial(ours.put, text, metadata=STATUS)) for text in texts],
            [partial(_until, heard, partial(bare.together, await bare.put(text))) for text in texts],
        )
    return Row("put until a subscriber has the change", times[0], "ms", times[1])


async def _until(event: asyncio.Event, act: Act) -> None:
    """Do it, and wait until the event has happened, too."""
    event.clear()
    await act()
    await event.wait()


@asynccontextmanager
async def _setting(happenings: AsyncIterator[object], event: asyncio.Event) -> AsyncIterator[None]:
    """Set the event at each thing that happens."""

    async def wait() -> None:
        async for _ in happenings:
            event.set()

    task = asyncio.create_task(wait())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _puts_together(stage: Stage, ours: Space, bare: Bare) -> Row:
    """Milliseconds a put while 32 are under way, against as many bare pipelines under way."""
    texts = sentences(5, 20 * FLIGHT * 8)
    commands = [await bare.put(text) for text in texts]
    size = FLIGHT * 8
    firsts = range(0, len(texts), size)
    times = await alternate(
        stage,
        f"puts, {FLIGHT} under way",
        [partial(flight, [partial(ours.put, text, metadata=STATUS) for text in texts[n : n + size]]) for n in firsts],
        [partial(flight, [partial(bare.together, one) for one in commands[n : n + size]]) for n in firsts],
    )
    return Row(f"a put while {FLIGHT} are under way", times[0] / size, "ms", times[1] / size)
