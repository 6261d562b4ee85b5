"""The audience of a space: who reads there beside the owner and the owner's own agents."""

from core.agents.agents import Agent, Agents
from core.atoms.atoms import CLOCK, HOUSE, OWNER
from core.errors import NotFound
from core.spaces.spaces import Spaces

INSIDE = frozenset({OWNER.id, HOUSE.id, CLOCK.id})


class Audience:
    """Tells the owner's own agents from people, groups, channels and the hosts that talk with them."""

    def __init__(self, spaces: Spaces, agents: Agents) -> None:
        self._spaces = spaces
        self._agents = agents

    async def readers(self, agent: Agent, space: str) -> list[str]:
        """Those who may read the space at this moment and belong to others than the owner, seen from this agent."""
        found = [one for one in await self._spaces.readers(space) if one != agent.id]
        return [one for one in found if await self._belongs_to_others(one, agent)]

    async def is_in_line(self, agent: Agent, principal: str) -> bool:
        other = await self._agent(principal)
        return other is not None and other.root == agent.root

    async def serves_guests(self, agent: Agent) -> bool:
        root = await self._agent(agent.root)
        return root is not None and root.guests

    async def _belongs_to_others(self, principal: str, agent: Agent) -> bool:
        if principal in INSIDE:
            return False
        other = await self._agent(principal)
        return other is None or (other.root != agent.root and await self.serves_guests(other))

    async def _agent(self, id: str) -> Agent | None:
        try:
            return await self._agents.get(id)
        except NotFound:
            return None
