"""Ends agents: the session and rights go, with those of all agents they spawned; what they wrote stays."""

import logging
from datetime import timedelta

from core.agents.agents import Agent, Agents
from core.agents.budgets import ACCOUNT_SECONDS, Budgets
from core.agents.traces import traces
from core.agents.unread import News
from core.atoms.atoms import OWNER, Principal
from core.errors import InvalidInput, NotFound, PermissionDenied, StoaError
from core.settings import Settings
from core.spaces.spaces import Spaces

log = logging.getLogger("stoa.lifecycle")

LAST_EPOCH = 2**53
"""An epoch after all others: whoever still works for an agent that has ended can reserve nothing more."""
NEW_AGENT_TIME = timedelta(days=1)
"""How long after its birth an agent that had no turn is reported."""
STALL_LOOK_SECONDS = 10.0
IDLE_LOOK_TIME = timedelta(hours=1)
"""How often agents are looked for that nobody needs any more."""


class Lifecycle:
    """Ends agents: those that their spawner or the owner is done with, and those that nobody has woken for long."""

    def __init__(self, spaces: Spaces, agents: Agents, budgets: Budgets, settings: Settings) -> None:
        self._spaces = spaces
        self._store = spaces.store
        self._agents = agents
        self._budgets = budgets
        self._patience = timedelta(days=settings.idle_days)
        self._stall_time = timedelta(seconds=settings.stall_seconds)

    async def end(self, id: str, by: Principal = OWNER, *, quietly: bool = False) -> list[str]:
        """End an agent and all that it spawned; answers who ended, the first being itself. Ended already: nobody.

        Its direct-message space tells of it, for programs that wait for its report, unless it ends `quietly`.

        Raises `PermissionDenied` for all but the owner and those it was spawned by, directly or not.
        """
        agent = await self._agents.get(id)
        if agent.coordinator:
            raise InvalidInput(f"{id} is a coordinator, which Stoa brings at each start; only spawned agents end.")
        if by != OWNER and by.id not in await self._above(agent):
            raise PermissionDenied(
                f"{by} did not spawn {id}; {agent.spawner} did. Ask {agent.spawner}, or the owner, to end it."
            )
        ended: list[str] = []
        while below := _below(id, await self._agents.list()):  # again for whoever was spawned while we were at it
            for one in below:
                await self._one(one)
                ended.append(one.id)
        if ended:
            await self._leave(agent, by, quietly)
        return ended

    async def end_idle(self) -> list[str]:
        """End the spawned agents that had no turn for long and that only their spawner could wake; answers who."""
        agents = [agent for agent in await self._agents.list() if not agent.coordinator]
        newest = await traces(self._store, [agent.id for agent in agents], 1)
        keys, now = self._store.keys, self._store.clock.now()
        ended = []
        for agent, last in zip(agents, newest, strict=True):
            since = max(agent.created, last[0].ended) if last else agent.created
            if now - since < self._patience:
                continue
            listening = await self._store.run("HKEYS", keys.cursors(agent.id))
            busy = await self._store.run("EXISTS", keys.journal(agent.id), keys.programs(agent.id))
            if not busy and {name.decode() for name in listening} <= {agent.speaks_in}:
                ended += await self.end(agent.id, Principal(agent.spawner), quietly=True)
        return ended

    async def report_stalled(self) -> list[str]:
        """Tell the spawners of agents that had no turn for `stall_seconds` after their birth; answers of whom."""
        now = self._store.clock.now()
        young = [
            agent
            for agent in await self._agents.list()
            if not agent.coordinator and self._stall_time <= now - agent.created < NEW_AGENT_TIME
        ]
        stalled = []
        for agent, state in zip(young, await self._agents.states([one.id for one in young]), strict=True):
            room, operation = self._spaces.open(agent.speaks_in), f"stalled:{agent.id}"
            if state == "new" and await room.find(operation) is None:
                seconds = (now - agent.created).total_seconds()
                told = f"{agent.id} has had no turn since it was spawned, {seconds:.0f} s ago."
                await room.put(told, comment=f"stalled: {told}", metadata={"kind": "stalled"}, operation=operation)
                stalled.append(agent.id)
        return stalled

    async def run(self) -> None:
        """Look for agents that never begin, and every hour for idle ones."""
        looked = self._store.clock.now()
        while True:
            await self._store.clock.sleep(STALL_LOOK_SECONDS)
            try:
                for agent in await self.report_stalled():
                    log.warning("%s has had no turn since it was spawned; its spawner is told.", agent)
                if self._store.clock.now() - looked < IDLE_LOOK_TIME:
                    continue
                looked = self._store.clock.now()
                for agent in await self.end_idle():
                    log.info("%s has ended: nobody woke it for %s.", agent, self._patience)
            except StoaError as error:
                log.warning("%s", error)

    async def _one(self, agent: Agent) -> None:
        """End one agent. Its lease goes first, so that a turn under way is refused from here on."""
        await self._agents.save(agent.model_copy(update={"status": "dead"}))
        keys, run = self._store.keys, self._store.run
        await run("DEL", keys.lease(agent.id))
        begun = await run("HGET", keys.journal(agent.id), "news")
        if begun:
            news = News.read(begun)
            purse = self._budgets.purse(agent.id, agent.accounts, news.root, news.turn, news.now, LAST_EPOCH)
            await purse.finish()
        for name in await run("SMEMBERS", keys.held(agent.id)):
            space = self._spaces.open(name.decode())
            await self._spaces.open(name.decode(), agent.principal).unsubscribe()
            await space.revoke_any(agent.id, comment=f"{agent.id} has ended")
        gone = (
            keys.session,
            keys.ledger,
            keys.label,
            keys.cursors,
            keys.journal,
            keys.waits,
            keys.programs,
            keys.parked,
            keys.postponed,
        )
        await run("DEL", *(key(agent.id) for key in gone))
        await run("DEL", keys.held(agent.id))
        await self._agents.rights.end(agent.id)
        await run("EXPIRE", keys.traces(agent.id), ACCOUNT_SECONDS["root"])
        await self._budgets.close(agent.id)

    async def _leave(self, agent: Agent, by: Principal, quietly: bool) -> None:
        room = agent.speaks_in
        if by.id == agent.spawner:
            await self._spaces.open(room, by).unsubscribe()
        if quietly:
            return
        told = f"{agent.id} has ended: {'the owner ended it' if by == OWNER else f'{by} ended it'}."
        try:
            await self._spaces.open(room, OWNER).put(
                told, comment=f"ended: {agent.id}", metadata={"kind": "ended"}, operation=f"ended:{agent.id}"
            )
        except NotFound:
            log.info("%s had no space to tell its end in", agent.id)

    async def _above(self, agent: Agent) -> list[str]:
        above = []
        while not agent.coordinator:
            agent = await self._agents.get(agent.spawner)
            above.append(agent.id)
        return above


def _below(id: str, living: list[Agent]) -> list[Agent]:
    found = [agent for agent in living if agent.id == id]
    known = {id}
    rest = [agent for agent in living if agent.id != id]
    while more := [agent for agent in rest if agent.spawner in known]:
        found += more
        known |= {agent.id for agent in more}
        rest = [agent for agent in rest if agent.id not in known]
    return found
