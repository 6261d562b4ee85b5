"""The assistant: the coordinator that people talk to."""

from bots.prompts import prompt
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House


async def assistant(house: House) -> Agent:
    """Seat the assistant. The chat makes it a coordinator; it passes work on to others over the bus."""
    words, source = await prompt(house, "assistant")
    return await house.agents.seat(
        Agent(
            id="assistant",
            instructions=words,
            instructions_from=source,
            speaks_in="chat",
            injected=("memory",),
            tools=("web_search", "web_fetch", "read_feed", "calendar_events", "calendar_free"),
        ),
        spaces={
            "chat": Permission.WRITE,
            "bus": Permission.WRITE,
            "tasks": Permission.WRITE,
            "notes": Permission.WRITE,
            "timers": Permission.READ,
            "prompts": Permission.APPEND,
            "memory": Permission.WRITE,
        },
        subscriptions=("chat", "bus"),
    )
