"""What tests of turns begin with: a worker at work, an agent in its seat, a word to it and its answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from core.agents.agents import Agent
from core.atoms.atoms import OWNER, Atom
from core.atoms.permissions import Permission
from core.house import House
from core.models.llm import LLM
from core.worker import Worker


@contextlib.asynccontextmanager
async def working(house: House, llm: LLM, lease: float = 2.0) -> AsyncIterator[None]:
    """A worker at work, all of whose agents think with `llm`."""
    worker = Worker(house, "You are an agent.", "A direct-message space.", llm=llm, lease=lease)
    task = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def seat(house: House, id: str = "assistant", **given: object) -> Agent:
    """An agent of the owner's with a chat it speaks in."""
    await house.spaces.create("chat", description="Where people and the assistant talk.")
    spaces = {"chat": Permission.WRITE}
    agent = Agent.model_validate({"id": id, "instructions": "Help.", "speaks_in": "chat", **given})
    return await house.agents.seat(agent, spaces, ("chat",))


async def said(house: House, count: int = 1, space: str = "chat", after: int = 0) -> list[Atom]:
    """The first `count` atoms that agents put into a space."""
    room = house.spaces.open(space)
    found: list[Atom] = []
    async for change in room.follow(after):
        if change.operation == "put" and change.author != OWNER.id:
            found.append(await room.get(change.atom))
            if len(found) == count:
                break
    return found


async def tell(house: House, text: str, space: str = "chat") -> Atom:
    """Write to an agent as the owner does."""
    return await house.spaces.open(space).put(text, metadata={"role": "user"})
