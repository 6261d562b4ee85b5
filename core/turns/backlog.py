"""The backlog: changes an agent could not be told of because no model answered, kept until one does."""

from collections.abc import Sequence
from datetime import timedelta

from core.store.store import Store

RETRY_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 480))
"""The time until they are tried again, each time."""


class Backlog:
    """The changes put off, of all agents. They are taken up as parked changes are, by `core.agents.unread`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, agent: str, changes: Sequence[str]) -> bool:
        """Keep these changes (`space/number`) of an agent for later; False where that was done often enough."""
        keys = self._store.keys
        if not changes:
            return False
        tries = max(await self._store.together(*(("HINCRBY", keys.postponed(agent), one, 1) for one in changes)))
        if tries > len(RETRY_PAUSES):
            await self.told(agent, changes)
            return False
        due = self._store.clock.now() + RETRY_PAUSES[tries - 1]
        await self._store.run("ZADD", keys.postponing(), int(due.timestamp() * 1000), agent)
        return True

    async def told(self, agent: str, changes: Sequence[str]) -> None:
        """A model has answered: these changes are dealt with, and what else was put off can be taken up now."""
        if changes:
            await self._store.run("HDEL", self._store.keys.postponed(agent), *changes)
        if await self._store.run("ZSCORE", self._store.keys.postponing(), agent) is not None:
            await self._take_up(agent)

    async def take_up_due(self) -> None:
        """Let agents take up what has been put off for long enough."""
        now = int(self._store.clock.now().timestamp() * 1000)
        for agent in await self._store.run("ZRANGE", self._store.keys.postponing(), "-inf", now, "BYSCORE"):
            await self._take_up(agent.decode())

    async def _take_up(self, agent: str) -> None:
        keys = self._store.keys
        kept = await self._store.run("HGETALL", keys.postponed(agent))
        names = [f"{change.decode()}#later-{int(tries)}" for change, tries in kept.items()]
        if names:  # there first, then away here: a death between the two is no loss
            await self._store.run("SADD", keys.parked(agent), *names)
        await self._store.run("ZREM", keys.postponing(), agent)
