"""What a new house is furnished with: its spaces, each with the convention that holds there, and its coordinators."""

from bots.assistant import assistant
from bots.scheduler import scheduler
from conventions.loading import text
from core.house import House

SPACES = {
    "chat": "chat",
    "bus": "coordinator-bus",
    "tasks": "task-list",
    "notes": "scratchpad",
}
"""Space -> the convention that describes it."""


async def seed(house: House) -> None:
    """Furnish the house; what is there already stays as it is, so doing it at each start is harmless."""
    known = set(await house.spaces.names())
    for name, described in SPACES.items():
        if name not in known:
            await house.spaces.create(name, description=text(described))
    await house.timers.prepare(text("timers"))
    await assistant(house)
    await scheduler(house)
