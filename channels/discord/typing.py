"""Shows that somebody types, for as long as a turn is under way."""

import asyncio
import logging

import discord

from channels.contract import Later, Undeliverable, Unusable
from channels.discord.errors import translated

TYPING_SECONDS = 8.0
"""Discord shows it for ten seconds."""
MAX_TYPING_SECONDS = 600.0

log = logging.getLogger(__name__)


class Typing:
    """The conversations in which we are shown to type. Nobody would miss it, so that no call is tried again."""

    def __init__(self, client: discord.Client, account: str) -> None:
        self._client = client
        self._account = account
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._agents: dict[str, set[str]] = {}

    def show(self, conversation: str, agent: str, working: bool) -> None:
        agents = self._agents.setdefault(conversation, set())
        (agents.add if working else agents.discard)(agent)
        if agents and conversation not in self._tasks:
            self._tasks[conversation] = asyncio.create_task(self._type(conversation), name=f"typing in {conversation}")
        elif not agents:
            self.answered(conversation)

    def answered(self, conversation: str) -> None:
        """A message of ours stands there now, which ends what Discord shows."""
        self._agents.pop(conversation, None)
        if task := self._tasks.pop(conversation, None):
            task.cancel()

    async def _type(self, conversation: str) -> None:
        try:
            async with asyncio.timeout(MAX_TYPING_SECONDS):
                while True:
                    with translated(self._account):
                        await self._client.http.send_typing(int(conversation))
                    await asyncio.sleep(TYPING_SECONDS)
        except TimeoutError:
            return
        except (Undeliverable, Unusable, Later, OSError, ValueError) as error:
            log.info("%s does not show that it types: %s", self._account, error)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
