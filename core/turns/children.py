"""The agents that an agent spawned, as its code sees them: who they are, a word to one, its report, its end."""

from core.agents.agents import Agent
from core.atoms.atoms import Atom
from core.atoms.values import Child
from core.errors import InvalidInput, PermissionDenied
from core.spaces.spaces import first_words
from core.tools.registry import Tool, acting
from core.tools.waits import Wait, wait_end
from core.trust.egress_guard import OutboundCall
from core.turns.context import Services, TurnContext

ANSWERS = ["report", "ended"]
"""The kinds of atoms in a direct-message space that a wait for a report is over with."""


class Children:
    """The capability `agents` of one agent during one turn."""

    def __init__(self, services: Services, context: TurnContext) -> None:
        self._services = services
        self._context = context

    @property
    def methods(self) -> dict[str, Tool]:
        return {"list": self.children, "tell": self.tell, "result": self.result, "stop": self.stop}

    async def children(self) -> list[Child]:
        """The agents you spawned that have not ended: .id, .task, .space, .created, and .status (new, working, waiting
        or idle)."""
        mine = [one for one in await self._services.agents.list() if one.spawner == self._context.agent.id]
        states = await self._services.agents.states([one.id for one in mine])
        return [
            Child(one.id, one.speaks_in, one.task, state, one.created) for one, state in zip(mine, states, strict=True)
        ]

    async def tell(self, agent: str, text: str) -> Atom:
        """Give an agent you spawned another task, an answer or a correction; it has a turn for that. Its next report
        wakes you, or `agents.result(agent)` waits for it."""
        child, call = await self._mine(agent), acting().call
        outbound = OutboundCall(self._context.agent, "agents.tell", {"agent": child.id, "text": text}, operation=call)
        await self._services.egress.check_spaces(self._context.actor, outbound, [child.speaks_in])
        if child.status == "dead":
            raise InvalidInput(f"{child.id} has ended; spawn another agent for this.")
        await self._context.allowance.store_bytes(call, len(str(text).encode(errors="replace")))
        return await self._services.spaces.open(child.speaks_in, self._context.actor).put(
            text, comment=first_words(f"task: {text}"), metadata={"kind": "task"}, operation=call
        )

    async def result(self, agent: str, timeout: float | None = None) -> str | None:
        """An agent's report on what you told it last. This program waits for it as in wait_for(), at most `timeout`
        seconds; None then, or where the agent ended without one."""
        child, actor, wait = await self._mine(agent), self._context.actor, acting().waited
        if wait is None:
            until = wait_end(self._services.clock.now(), timeout)
            told = await self._told(child)
            wait = Wait(child.speaks_in, until=until, metadata={"kind": ANSWERS}, after=told)
        atom, seq = await self._services.waits.found(actor.principal, wait)
        if atom is not None:
            actor.saw(atom)
            return atom.content if atom.metadata["kind"] == "report" else None
        if child.status == "dead" or (wait.until and wait.until <= self._services.clock.now()):
            return None
        raise Wait(child.speaks_in, until=wait.until, metadata=wait.metadata, after=seq)

    async def stop(self, agent: str) -> list[str]:
        """End an agent that you spawned and are done with, and all that it spawned; answers who ended. What they wrote
        stays."""
        return await self._services.lifecycle.end(_id_of(agent), self._context.actor.principal)

    async def _mine(self, agent: object) -> Agent:
        child = await self._services.agents.get(_id_of(agent))
        if child.spawner != self._context.agent.id:
            raise PermissionDenied(f"{child.id} was spawned by {child.spawner}, not by you; ask {child.spawner}.")
        return child

    async def _told(self, child: Agent) -> int:
        """The number of the last change that we made in the space we share with it."""
        me, seq, last = self._context.actor.principal, 0, 0
        while changes := await self._services.spaces.notifications.changes(child.speaks_in, me, seq, 1_000):
            seq = changes[-1].seq
            last = next((one.seq for one in reversed(changes) if one.author == me.id), last)
        return last


def _id_of(agent: object) -> str:
    """The id of an agent, given as such or as what spawn() or agents.list() answered."""
    found = agent.get("id") if isinstance(agent, dict) else agent
    if isinstance(found, str):
        return found
    raise InvalidInput(f"agent is {agent!r}; give the id of an agent you spawned, such as child.id")
