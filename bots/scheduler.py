"""The scheduler: the agent that owns time."""

from conventions.loading import instructions
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House


async def scheduler(house: House) -> Agent:
    """Connected to the timers, which come due from outside, so a coordinator; it hears and speaks on the bus."""
    return await house.agents.seat(
        Agent(
            id="scheduler",
            instructions=instructions("scheduler"),
            tools=("set_timer", "cancel_timer", "list_timers"),
        ),
        spaces={"bus": Permission.WRITE, "timers": Permission.WRITE},
        subscriptions=("bus", "timers"),
    )
