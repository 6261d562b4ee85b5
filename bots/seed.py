"""What a new house is furnished with: its spaces, each with the convention that holds there, and its coordinators."""

from bots.assistant import assistant
from bots.scheduler import scheduler
from conventions import convention
from core.house import House
from core.permissions import Permission
from core.timers import CLOCK
from core.timers import SPACE as TIMERS

SPACES = {
    "chat": "chat",
    "bus": "coordinator-bus",
    "tasks": "task-list",
    "notes": "scratchpad",
    TIMERS: "timers",
}
"""Space -> the convention that describes it."""


async def seed(house: House) -> None:
    """Furnish the house; what is there already stays as it is, so doing it at each start is harmless."""
    known = set(await house.spaces.names())
    for name, described in SPACES.items():
        if name not in known:
            await house.spaces.create(name, description=convention(described))
    if await house.spaces.open(TIMERS, CLOCK).permission() < Permission.WRITE:
        await house.spaces.open(TIMERS).share(CLOCK.id, Permission.WRITE, comment="the clock fires timers")
    await assistant(house)
    await scheduler(house)
