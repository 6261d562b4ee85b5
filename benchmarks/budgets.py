"""What the accounts add to a turn: round trips and time to reserve and to settle, one by one and many at once."""

import asyncio
import statistics
import time
from datetime import UTC, datetime

from benchmarks.rows import Row
from benchmarks.stages import FixedEmbedder, Stage
from core.agents.budgets import Allowance
from core.house import House
from core.models.llm import Message, Usage

TURNS = 400
WORDS = [Message("user", "x" * 3_000)]
USAGE = Usage("model", 1_000, 200, 0, 0.001)


async def budgets(stage: Stage) -> list[Row]:
    """One model call reserved and settled, in a chain of four accounts."""
    async with stage.house(FixedEmbedder(), root_turns=10**6, root_tokens=10**12, root_dollars=10**6) as house:
        purses = [_purse(house, n) for n in range(TURNS)]
        before = await _calls(house)
        pair, whole = [], []
        for purse in stage.track(purses, "turns paid for", TURNS):
            begun = time.perf_counter()
            await purse.begin()
            middle = time.perf_counter()
            await _pay(purse)
            pair.append((time.perf_counter() - middle) * 1000)
            await purse.finish()
            whole.append((time.perf_counter() - begun) * 1000)
        trips = (await _calls(house) - before) / TURNS
        ping = [await _timed(house) for _ in range(TURNS)]
        many = [_purse(house, TURNS + n) for n in range(TURNS)]
        begun = time.perf_counter()
        await asyncio.gather(*(_pay(purse) for purse in many))
        at_once = (time.perf_counter() - begun) * 1000 / TURNS
    middle_of = statistics.median
    return [
        Row("reserve and settle, round trips for a reply of the model", trips - 2, "", goal=2),
        Row("reserve and settle a reply, against two bare round trips", middle_of(pair), "ms", 2 * middle_of(ping)),
        Row("· the turn's beginning and end in the accounts besides", middle_of(whole) - middle_of(pair), "ms"),
        Row("· each, while 400 turns do it at once", at_once, "ms"),
    ]


def _purse(house: House, number: int) -> Allowance:
    return house.budgets.purse("agent", (), "chat/1", f"agent:chat/{number}", datetime(2026, 11, 22, tzinfo=UTC), 1)


async def _pay(purse: Allowance) -> None:
    await purse.reserve("reply.0", "model", WORDS)
    await purse.settle("reply.0", USAGE)


async def _calls(house: House) -> int:
    """How often a Function was called so far."""
    for line in (await house.store.run("INFO", "commandstats")).decode().splitlines():
        if line.startswith("cmdstat_fcall:"):
            return int(line.partition("calls=")[2].partition(",")[0])
    return 0


async def _timed(house: House) -> float:
    begun = time.perf_counter()
    await house.store.run("PING")
    return (time.perf_counter() - begun) * 1000
