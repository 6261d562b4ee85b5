"""The stand-ins that ship: a clock to move and a model to script. Everything else in a test is real."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

from core.models.llm import Message
from core.times.clock import Clock


class MovableClock(Clock):
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime) -> None:
        self.moment = start
        self.zone = start.tzinfo  # type: ignore[assignment]
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self.moment

    def move(self, **duration: float) -> None:
        """Let time pass: `clock.move(minutes=2)`."""
        self.moment += timedelta(**duration)
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep_until(self, moment: datetime) -> None:
        while self.moment < moment:
            await self._moved.wait()


class ScriptedLLM:
    """A model that answers from a script: texts in order, or a function from the messages to a text."""

    name = "scripted"

    def __init__(self, *script: str | Callable[[Sequence[Message]], str]) -> None:
        self.script = list(script)
        self.seen: list[list[Message]] = []

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        self.seen.append(list(messages))
        if not self.script:
            return
        step = self.script[0] if callable(self.script[0]) else self.script.pop(0)
        yield step(messages) if callable(step) else step
