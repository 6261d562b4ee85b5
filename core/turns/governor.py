"""The governor: gives each turn its allowance, and tells once when a chain of turns has used it up."""

import logging
from datetime import timedelta

from core.agents.agents import Agent, Agents
from core.agents.budgets import GUESTS_ACCOUNT, Allowance, Budgets
from core.agents.unread import News
from core.atoms.atoms import Cause
from core.errors import BudgetSpent, StoaError
from core.spaces.spaces import Actor, Spaces

RELEASE_SECONDS = 600.0
"""The pause between two looks at whether a new day has begun."""
PARKED_DAYS = 40
"""Something may have been parked so long ago, if Stoa has not run since."""
log = logging.getLogger("stoa.governor")


class Governor:
    """Bounds what follows from one cause, blind to what it is about."""

    def __init__(self, budgets: Budgets, spaces: Spaces, agents: Agents) -> None:
        self.budgets = budgets
        self._spaces = spaces
        self._agents = agents

    def allowance(self, agent: Agent, news: News, epoch: int | None) -> Allowance:
        """The accounts that the turn with these news may draw from."""
        return self.budgets.purse(agent.id, agent.accounts, news.root, news.turn, news.now, epoch)

    async def park(self, agent: Agent, news: News, spent: BudgetSpent) -> None:
        await self.budgets.park(spent.account, agent.id, news.changes)

    async def run(self) -> None:
        """Let go on what was parked on a day or in a month that is over."""
        while True:
            now = self.budgets.store.clock.now()
            past = [now - timedelta(days=days) for days in range(1, PARKED_DAYS + 1)]
            over = {f"{kind}:{day:%Y-%m-%d}": None for kind in ("day", GUESTS_ACCOUNT) for day in past}
            over |= {f"month:{day:%Y-%m}": None for day in past}
            over.pop(f"month:{now:%Y-%m}", None)
            try:
                for account in over:
                    await self.budgets.release(account)
            except StoaError as error:
                log.warning("%s", error)
            await self.budgets.store.clock.sleep(RELEASE_SECONDS)

    async def tell(self, agent: Agent, news: News, spent: BudgetSpent) -> str:
        """Tell of an account that is used up, if this turn is the one to do so; answers the space where it was told.

        The spawner that gave an agent its budget hears of that one in their direct-message space; of all others, and of
        its own that the owner gave it, a coordinator tells the owner.
        """
        log.warning("%s: %s", agent.id, spent)
        if not spent.tells:
            return ""
        kind, _, name = spent.account.partition(":")
        bounded = await self._agents.get(name) if kind == "agent" else None
        report = bounded is not None and not bounded.guests and not bounded.coordinator
        speaker = bounded if report else await self._coordinator(agent)
        if speaker is None or not speaker.speaks_in:
            return ""
        again = " Say “go on” and I'll take it up again." if kind == "root" else ""
        actor = Actor(speaker.principal, Cause(news.root, news.depth + 1))
        await self._spaces.open(speaker.speaks_in, actor).put(
            f"I stopped. {spent}{again}",
            comment=f"stopped: {spent.account} is used up",
            metadata={"kind": "report"} if report else {"role": "assistant"},
            operation=f"spent:{spent.account}:{news.turn}",
        )
        return speaker.speaks_in

    async def speak_for(self, agent: Agent, news: News, words: str) -> None:
        """Tell the owner something about an agent that does not speak with them, by the coordinator it belongs to."""
        speaker = await self._coordinator(agent)
        if speaker and speaker.speaks_in:
            actor = Actor(speaker.principal, Cause(news.root, news.depth + 1))
            await self._spaces.open(speaker.speaks_in, actor).put(
                f"About {agent.id}: {words}",
                comment=f"about {agent.id}",
                metadata={"role": "assistant"},
                operation=f"about:{news.turn}",
            )

    async def _coordinator(self, agent: Agent) -> Agent | None:
        """The coordinator at the head of the agent's spawners, or another that speaks with the owner."""
        while not agent.coordinator:
            agent = await self._agents.get(agent.spawner)
        for one in (agent, *await self._agents.list()):
            if one.coordinator and one.speaks_in and not one.guests:
                return one
        return None
