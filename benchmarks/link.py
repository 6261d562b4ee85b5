"""The link against plain redis-py asyncio: as many calls in flight, on one connection each."""

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial

from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.rows import Row
from benchmarks.stages import FLIGHT, Act, FixedEmbedder, Stage, alternate, flight
from core.redis.cluster import Cluster
from core.redis.link import Link
from core.search.index import ATOM_FIELDS
from core.store.store import Argument, client

Command = Sequence[Argument]


async def link(stage: Stage) -> list[Row]:
    """A read, a write by Function and a round trip of three, with one and with 32 under way."""
    async with stage.house(FixedEmbedder()) as house, aclosing(client(house.url)) as ours:
        space = await house.spaces.create("ours")
        atoms = [(await space.put(f"Atom {number}.")).id for number in range(100)]
        keys = house.store.keys
        get: Command = ("HMGET", keys.atom("ours", atoms[0]), *ATOM_FIELDS)
        read: Command = house.store.reading("stoa_get", "ours", "owner", atoms[1])
        advance: Command = ("FCALL", "stoa_advance", 3, *(f"{keys.namespace}:{{b}}:{n}" for n in range(3)), "ours", 1)
        pool = BlockingConnectionPool.from_url(house.url, protocol=2, max_connections=1, timeout=60)
        async with Redis(connection_pool=pool) as plain:
            return [
                row
                for name, commands in (
                    ("HMGET", [get]),
                    ("FCALL_RO that gets an atom", [read]),
                    ("FCALL that writes", [advance]),
                    ("three reads in one round trip", [get, read, get]),
                )
                for row in await _compared(stage, name, ours, plain, commands)
            ]


async def _compared(
    stage: Stage, name: str, ours: Link | Cluster, plain: Redis, commands: Sequence[Command]
) -> list[Row]:
    own: Act = partial(ours.ask, *commands)
    other: Act = partial(_by_redis_py, plain, commands)
    one = await alternate(stage, name, [own] * 1000, [other] * 1000)
    size = FLIGHT * 16
    many = await alternate(stage, name, [partial(flight, [own] * size)] * 20, [partial(flight, [other] * size)] * 20)
    return [
        Row(f"{name}: link, redis-py", one[0] * 1000, "us", one[1] * 1000),
        Row(f"· a second, {FLIGHT} in flight", size / many[0] * 1000, "/s", size / many[1] * 1000, 4, most=False),
    ]


async def _by_redis_py(plain: Redis, commands: Sequence[Command]) -> None:
    if len(commands) == 1:
        await plain.execute_command(*commands[0])  # type: ignore[no-untyped-call]
        return
    pipeline = plain.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    await pipeline.execute()
