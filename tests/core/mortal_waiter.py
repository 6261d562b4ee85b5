"""A worker like the mortal one, whose agent writes a program that waits: it can die before, or when that goes on."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from core.house import open_house
from core.models.llm import Message
from core.settings import load
from core.worker import Worker
from tests.core.mortal_worker import LEASE, Flat, MortalStore

PROGRAM = """```python
found = chat.put("before", comment="before").id
wait_until(local_time("in 2 seconds").at)
chat.update(found, comment="after", content="before and after")
print("It is done:", found)
```"""


class Waiter:
    """Writes the program once, says nothing while it waits, and in the end what it printed."""

    name = "waiter"

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        tail = messages[-1].text
        if "It is done" in tail:
            yield tail.split("<output>\n")[1].split("\n</output>")[0]
        elif "The program waits" not in tail:
            yield PROGRAM


async def work(url: str, namespace: str, home: Path, turn: int, dies_at: int) -> None:
    """Work until death in this turn, or for ever where `dies_at` is 0."""
    async with open_house(load(home=home, namespace=namespace), url, embedder=Flat()) as house:
        if dies_at:
            house.store.__class__ = MortalStore
            assert isinstance(house.store, MortalStore)
            house.store.turn, house.store.last = turn, dies_at
        await Worker(house, "", "", llm=Waiter(), lease=LEASE).run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
