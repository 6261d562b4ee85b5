"""Being told of a change: how much later than the put itself, by one subscriber and by a thousand of one process."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

from benchmarks.rows import Row
from benchmarks.stages import FixedEmbedder, Stage, sentences
from core.atoms.atoms import OWNER, Change
from core.house import House
from core.spaces.spaces import Space

PUTS = 300
MANY = 1_000
Put = Callable[[str], Coroutine[Any, Any, object]]


async def notifying(stage: Stage) -> list[Row]:
    """From the start of a put to the callback, against the put; and to the last of a thousand callbacks."""
    async with stage.house(FixedEmbedder()) as house:
        few, many = await house.spaces.create("few"), await house.spaces.create("many")
        async with AsyncExitStack() as stack:
            one = await _subscribed(stack, house, few, 1)
            thousand = await _subscribed(stack, house, many, MANY)
            put, told, last = [], [], []
            for text in stage.track(sentences(4, PUTS), "notify", PUTS):
                took, heard = await one(text)
                put.append(took)
                told.append(heard)
                last.append((await thousand(text))[1])
        return [
            Row("from a put's start to the callback, against the put", median(told), "ms", median(put), 1.15),
            Row(f"the last of {MANY:,} callbacks, against one", median(last), "ms", median(told), 2.0),
        ]


async def _subscribed(
    stack: AsyncExitStack, house: House, space: Space, count: int
) -> Callable[[str], Coroutine[Any, Any, tuple[float, float]]]:
    """A put that answers how many milliseconds it took itself, and until the last of `count` callbacks."""
    times: list[float] = []
    everybody = asyncio.Event()

    def tell(_: Change) -> None:
        times.append(time.perf_counter())
        if len(times) == count:
            everybody.set()

    for _ in range(count):
        await stack.enter_async_context(house.notifications.telling(space.id, OWNER, await space.newest(), tell))

    async def put(text: str) -> tuple[float, float]:
        times.clear()
        everybody.clear()
        begun = time.perf_counter()
        await space.put(text, metadata={"status": "pending"})
        took = time.perf_counter() - begun
        await everybody.wait()
        return took * 1000, (times[-1] - begun) * 1000

    await put("The first.")
    return put
