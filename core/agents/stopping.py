"""Stopping: everything that follows from one cause ends at its next step, whichever agents are at work on it."""

from core.agents.unread import News
from core.store.store import Store

STOP_SECONDS = 86_400


class Stopped(Exception):
    """Ends a turn whose cause somebody has asked to stop."""


class Stopping:
    """The causes that people have asked to stop. An agent and its children work for the same one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys

    async def ask(self, root: str) -> None:
        await self._store.run("SET", self._keys.stopped(root), 1, "EX", STOP_SECONDS)

    async def asked(self, root: str) -> bool:
        return bool(root and await self._store.run("EXISTS", self._keys.stopped(root)))

    async def under_way(self, space: str) -> list[str]:
        """The causes in this space for which an agent has a turn under way."""
        agents = [id.decode() for id in await self._store.run("SMEMBERS", self._keys.agents())]
        journals = await self._store.together(*(["HGET", self._keys.journal(agent), "news"] for agent in agents))
        roots = (News.read(begun).root for begun in journals if begun)
        return [root for root in dict.fromkeys(roots) if root.rpartition("/")[0] == space]
