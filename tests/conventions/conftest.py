"""The furnished house with the built-in model at work, and a person who talks to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from bots.seed import seed
from bots.workers import worker_of
from conventions.loading import OURS
from core.atoms.atoms import OWNER, Atom, new_id
from core.house import House
from core.models.embeddings import LocalEmbedder
from core.models.llm import LLM
from core.models.offline import INTRODUCTION, OfflineLLM
from core.models.recipes import meant
from core.testing import MovableClock
from tests.core.scenes import tell


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedder() -> AsyncIterator[LocalEmbedder]:
    """The real models, which have read all recipes: no worker of these tests is stopped while it learns them."""
    async with LocalEmbedder() as embedder:
        for convention in OURS.offline().values():
            for recipe in convention.recipes:
                await embedder.embed(meant(recipe))
        yield embedder


@contextlib.asynccontextmanager
async def at_work(house: House, llm: LLM) -> AsyncIterator[None]:
    """A worker of this house that knows its conventions."""
    task = asyncio.create_task(worker_of(house, llm).run())
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@dataclass
class Person:
    """The owner in the chat, who reads each answer before saying the next thing."""

    house: House
    clock: MovableClock
    read: int = 0

    async def says(self, text: str) -> str:
        """What is answered."""
        await tell(self.house, text)
        return await self.hears()

    async def hears(self) -> str:
        """The next thing said in the chat by anybody else."""
        chat = self.house.spaces.open("chat")
        async for change in chat.follow(self.read):
            self.read = change.seq
            if change.operation == "put" and change.author != OWNER.id:
                answer = await chat.get(change.atom)
                return answer.content.removesuffix(INTRODUCTION).strip()
        raise AssertionError("the chat has ended")

    async def watched(self) -> None:
        """Return once a spawned agent has looked at what it is to watch."""
        agent = next(agent for agent in await self.house.agents.list() if not agent.coordinator)
        store = self.house.store
        while not await store.run("HEXISTS", store.keys.journal(agent.id), "call.0"):
            await asyncio.sleep(0.01)

    async def finds(self, space: str, **metadata: str) -> list[Atom]:
        """The atoms of a space with this metadata, newest first."""
        return await self.house.spaces.open(space).search(metadata=metadata, limit=100)


@pytest_asyncio.fixture
async def person(house: House, clock: MovableClock, embedder: LocalEmbedder) -> AsyncIterator[Person]:
    """The owner of a new house, all of whose agents think with the built-in model."""
    await seed(house)
    worker = worker_of(house, OfflineLLM(embedder))
    task = asyncio.create_task(worker.run())
    try:
        yield Person(house, clock)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await embedder.embed([new_id() * 50])  # longest last: nothing is under way when the test's event loop ends
