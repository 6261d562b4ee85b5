"""The memory keeper: after a conversation it writes down what stays useful of what the owner said."""

from bots.prompts import prompt
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House

CONVERSATION_SECONDS = 600.0
"""The keeper reads what the owner said within so many seconds at once."""


async def memory_keeper(house: House) -> Agent:
    """Seat the keeper. It hears the owner's own words alone; the offline model, which can't judge them, isn't asked."""
    words, source = await prompt(house, "memory")
    agent = await house.agents.seat(
        Agent(id="memory-keeper", instructions=words, instructions_from=source, injected=("memory",), clean=True),
        spaces={"chat": Permission.READ, "memory": Permission.WRITE},
    )
    chat = house.spaces.open("chat", agent.principal)
    if house.settings.model == "offline":
        await chat.unsubscribe()
    else:
        await chat.subscribe(CONVERSATION_SECONDS, metadata={"role": "user"})
    return agent
