"""Models whose time is known, so that what Stoa adds to it can be told."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from random import Random

from core.models.llm import Message
from core.testing import ScriptedLLM

BACKGROUND = "Look for facts and write down what you find, again and again."
"""What begins the task of an agent that works in the background."""
WORK = """```python
found = spaces["notes"].search("{query}", limit=5)
spaces["notes"].put("{text}", comment="found something")
print(len(found))
```"""


class PacedLLM:
    """Answers from a script after `seconds`, and notes for each call when it began and when its last word was out."""

    name = "paced"

    def __init__(self, script: ScriptedLLM, seconds: float) -> None:
        self.script = script
        self.seconds = seconds
        self.calls: list[tuple[float, float]] = []

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        begun = time.perf_counter()
        await asyncio.sleep(self.seconds)
        pieces = [piece async for piece in self.script.reply(messages)]
        self.calls.append((begun, time.perf_counter()))
        for piece in pieces:
            yield piece


class DividedLLM:
    """Answers people by one model, and agents at work in the background by code, 0.2 to 1 s a call, while `open`."""

    name = "divided"

    def __init__(self, people: PacedLLM, texts: Sequence[str]) -> None:
        self.people = people
        self.open = asyncio.Event()
        self.replies = 0
        self.busy = asyncio.Event()
        """Set once the background has got so many replies that everybody is at work."""
        self._texts = texts
        self._random = Random(11)

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        if not any(BACKGROUND in message.text for message in messages if not message.example):
            async for piece in self.people.reply(messages):
                yield piece
            return
        await self.open.wait()
        await asyncio.sleep(self._random.uniform(0.2, 1))
        self.replies += 1
        if self.replies > 40:
            self.busy.set()
        query, text = (self._texts[(2 * self.replies + one) % len(self._texts)] for one in (0, 1))
        yield WORK.format(query=query, text=text)
