"""Somebody asks for what is under way to stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from core.agents.stopping import Stopping
from core.house import House
from core.models.llm import Message
from tests.core.scenes import said, seat, tell, working
from tests.core.turns.test_turns import code


class HeldLLM:
    """A model whose replies each wait until they are let through."""

    name = "held"

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.asked: asyncio.Queue[Sequence[Message]] = asyncio.Queue()
        self.let_through = asyncio.Semaphore(0)

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        self.asked.put_nowait(messages)
        await self.let_through.acquire()
        yield self.script.pop(0)


async def test_a_turn_that_is_stopped_does_nothing_more_and_says_what_it_did(house: House) -> None:
    await seat(house)
    stopping = Stopping(house.store)
    model = HeldLLM(code('chat.put("one", comment="one")'), code('chat.put("two", comment="two")'))
    async with working(house, model):
        await tell(house, "Write a lot")
        await model.asked.get()
        model.let_through.release()
        await model.asked.get()
        (root,) = await stopping.under_way("chat")
        await stopping.ask(root)
        model.let_through.release()
        atoms = await said(house, 2)
    assert [atom.content for atom in atoms] == ["one", "I stopped. Done by then: `chat.put`."]


async def test_the_next_message_is_answered_as_ever(house: House) -> None:
    await seat(house)
    stopping = Stopping(house.store)
    model = HeldLLM(code("print(1)"), "Hello again.")
    async with working(house, model):
        await tell(house, "Work")
        await model.asked.get()
        for root in await stopping.under_way("chat"):
            await stopping.ask(root)
        model.let_through.release()
        await said(house)
        await tell(house, "Hello")
        model.let_through.release()
        atoms = await said(house, 2)
    assert [atom.content for atom in atoms] == ["I stopped before I began.", "Hello again."]
