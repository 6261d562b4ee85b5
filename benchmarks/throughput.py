"""How many turns one worker and two carry out a second, with a model that answers at once, and how long each takes."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator

from benchmarks.chaos_worker import Flat, process
from benchmarks.rows import Row
from benchmarks.stages import Stage
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House

AGENTS = 64
TURNS = 600
QUIET = 60


async def throughput(stage: Stage) -> list[Row]:
    """Turns a second with everybody busy; then, with one message at a time, from the message to its answer."""
    rows = []
    rates = {}
    for workers in (1, 2):
        async with stage.house(embedder=Flat()) as house, contextlib.AsyncExitStack() as stack:
            rooms = await _seats(house)
            for _ in range(workers):
                await stack.enter_async_context(
                    process(house.url, house.settings.namespace, house.settings.home, "at once")
                )
            people = _People(house, rooms)
            async with people.listening():
                await people.ask(*rooms)
                begun = time.perf_counter()
                await asyncio.gather(*(people.talk(room, TURNS // AGENTS) for room in rooms))
                rates[workers] = TURNS // AGENTS * AGENTS / (time.perf_counter() - begun)
                if workers == 1:
                    times = [await people.ask(room) for room in stage.track(rooms[:QUIET], "single turns", QUIET)]
        rows.append(Row(f"turns of {workers} worker{'s' * (workers > 1)}, {AGENTS} agents busy", rates[workers], "/s"))
    rows.append(Row("a turn alone, a model that answers at once, p50", statistics.median(times), "ms"))
    rows.append(Row("· p99", sorted(times)[int(len(times) * 0.99)], "ms"))
    return rows


async def _seats(house: House) -> list[str]:
    rooms = [f"room-{number:02}" for number in range(AGENTS)]
    for room in rooms:
        await house.spaces.create(room)
        agent = Agent(id=f"agent-{room}", instructions="Answer.", speaks_in=room)
        await house.agents.seat(agent, {room: Permission.WRITE}, (room,))
    return rooms


class _People:
    """Somebody in every room, who asks and waits for the answer."""

    def __init__(self, house: House, rooms: list[str]) -> None:
        self._house = house
        self._answers: dict[str, asyncio.Queue[float]] = {room: asyncio.Queue() for room in rooms}

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._listen(room)) for room in self._answers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _listen(self, room: str) -> None:
        async for change in self._house.spaces.open(room).follow(0):
            if change.author.startswith("agent-"):
                self._answers[room].put_nowait(time.perf_counter())

    async def talk(self, room: str, times: int) -> None:
        """So many questions, each after the answer to the one before."""
        for _ in range(times):
            await self.ask(room)

    async def ask(self, *rooms: str) -> float:
        """Ask in each of the rooms at once; milliseconds until the last answer."""
        begun = time.perf_counter()
        for room in rooms:
            await self._house.spaces.open(room).put("question", metadata={"role": "user"})
        async with asyncio.timeout(60):
            return max([await self._answers[room].get() for room in rooms]) * 1000 - begun * 1000
