"""Where the time of a put goes: in Redis command by command, in the Function around them, in Python, on the way."""

import re
import statistics
import time
from functools import partial

from benchmarks.rows import Row
from benchmarks.spaces import STATUS
from benchmarks.stages import FLIGHT, FixedEmbedder, Stage, flight, sentences
from core.store.store import Store

ATOMS, PUTS = 10_000, 2_000
CALLS = re.compile(r"cmdstat_(\S+?):calls=(\d+),usec=(\d+)")


async def anatomy(stage: Stage) -> list[Row]:
    """Puts one at a time, as Redis' own statistics and the process' clock tell them, then as many at once."""
    texts = iter(sentences(6, ATOMS + 3 * PUTS))
    async with stage.house(FixedEmbedder(dimensions=384)) as house:
        space = await house.spaces.create("ours")
        puts = [partial(space.put, text, metadata=STATUS) for text in texts]
        await flight(puts[:ATOMS])
        await house.store.run("CONFIG", "RESETSTAT")
        taken, cpu = [], time.process_time()
        for put in stage.track(puts[ATOMS : ATOMS + PUTS], "puts taken apart", PUTS):
            begun = time.perf_counter()
            await put()
            taken.append((time.perf_counter() - begun) * 1e6)
        cpu = (time.process_time() - cpu) * 1e6 / PUTS
        function, commands = await _in_redis(house.store)
        begun = time.perf_counter()
        await flight(puts[ATOMS + PUTS :])
        together = (time.perf_counter() - begun) * 1e6 / (2 * PUTS)
    whole, writing = statistics.median(taken), commands.pop("hset")
    return [
        Row("a put of 384 dimensions, one at a time", whole, "us"),
        Row("· in Redis, the Function", function, "us"),
        Row("· · of it, writing and indexing the atom's hash", writing, "us"),
        Row("· · of it, the other commands: right, log, history, references, wake-up", sum(commands.values()), "us"),
        Row("· · of it, Lua around them", function - writing - sum(commands.values()), "us"),
        Row("· in this process, CPU, system calls included", cpu, "us"),
        Row(f"· a put while {FLIGHT} are under way", together, "us"),
    ]


async def _in_redis(store: Store) -> tuple[float, dict[str, float]]:
    """The microseconds a put took the Function, and each command in it."""
    told = CALLS.findall((await store.run("INFO", "commandstats")).decode())
    commands = {name: int(spent) / PUTS for name, _, spent in told if not name.startswith(("config", "info"))}
    return commands.pop("fcall"), commands
