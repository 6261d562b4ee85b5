"""A worker in a process of its own that kills itself, with -9, at its nth word to the store during a turn."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from core.house import open_house
from core.models.llm import Message
from core.settings import load
from core.store.store import Argument, Store
from core.worker import Worker

LEASE = 1.0
PLAN = """```python
plan = chat.put("the plan", comment="planned", files={"plan.txt": "do it"})
tasks.put("do it", references={"of": [plan.ref]})
```"""
CHECK = """```python
for task in tasks.search():
    tasks.update(task.id, comment="checked", content=task.content + "!")
```"""
REPLIES = (PLAN, CHECK, "All done.")


class Flat:
    """Vectors that say nothing: meaning is not what dies here."""

    id = "flat"
    dimensions = 2

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [b"\x00\x3c\x00\x00"] * len(texts)


COUNTED: ContextVar[bool] = ContextVar("counted", default=False)
"""Set for whatever belongs to a turn: what goes on beside it is not counted."""


class MortalStore(Store):
    """A store whose process dies before the nth round trip of one turn, counted from when it has begun."""

    turns = 0
    calls = 0
    turn = 1
    last = 0

    async def run(self, *command: Argument) -> Any:
        if "stoa_renew" not in command:  # which comes by the clock, not by the turn
            self._count()
        answer = await super().run(*command)
        if "stoa_begin" in command and answer:  # else somebody else has the turn
            self.turns += 1
            COUNTED.set(True)
        return answer

    async def answers(self, *commands: Sequence[Argument]) -> list[Any]:
        self._count()
        return await super().answers(*commands)

    def _count(self) -> None:
        if COUNTED.get() and self.turns == self.turn and self.last:
            self.calls += 1
            if self.calls == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


class Counting:
    """A model that goes by how far the conversation is, and counts in Redis how often it was asked each thing."""

    name = "counting"

    def __init__(self, store: Store, key: str) -> None:
        self.store = store
        self.key = key

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        step = sum(message.role == "assistant" for message in messages)
        await Store.run(self.store, "HINCRBY", self.key, f"step {step}", 1)
        yield REPLIES[step]


async def work(url: str, namespace: str, home: Path, dies_at: int) -> None:
    """Work until death, or for ever where `dies_at` is 0."""
    async with open_house(load(home=home, namespace=namespace), url, embedder=Flat()) as house:
        if dies_at:
            house.store.__class__ = MortalStore
            assert isinstance(house.store, MortalStore)
            house.store.last = dies_at
        await Worker(house, "", "", llm=Counting(house.store, f"{namespace}:spaces:asked"), lease=LEASE).run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
