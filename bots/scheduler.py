"""The scheduler: the coordinator that owns timers."""

from bots.prompts import prompt
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House


async def scheduler(house: House) -> Agent:
    """Seat the scheduler. Timers come due from outside, which makes it a coordinator; it speaks on the bus."""
    words, source = await prompt(house, "scheduler")
    return await house.agents.seat(
        Agent(
            id="scheduler",
            instructions=words,
            instructions_from=source,
            tools=("set_timer", "change_timer", "cancel_timer", "undo_timer", "list_timers"),
        ),
        spaces={"bus": Permission.WRITE, "timers": Permission.WRITE},
        subscriptions=("bus", "timers"),
    )
