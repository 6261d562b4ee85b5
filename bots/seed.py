"""Seeds a new house: its spaces, each described by a convention, and its coordinators."""

from bots.assistant import assistant
from bots.briefing import seat_briefing
from bots.memory import memory_keeper
from bots.prompts import seed_prompts
from bots.scheduler import scheduler
from conventions.loading import text
from core.house import House

SPACES = {
    "chat": "chat",
    "bus": "coordinator-bus",
    "tasks": "task-list",
    "notes": "scratchpad",
    "prompts": "prompt-library",
    "memory": "personal-memory",
}
"""Space -> the convention that describes it."""


async def seed(house: House) -> None:
    """Create what is missing; everything else stays as it is, so this runs at every start."""
    known = set(await house.spaces.names())
    for name, convention in SPACES.items():
        if name not in known:
            await house.spaces.create(name, description=text(convention))
    await house.timers.prepare(text("timers"))
    await seed_prompts(house)
    await assistant(house)
    await scheduler(house)
    await seat_briefing(house)
    await memory_keeper(house)
