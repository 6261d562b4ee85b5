"""The scheduler: the coordinator that owns timers."""

from conventions.loading import instructions
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House


async def scheduler(house: House) -> Agent:
    """Seat the scheduler. Timers come due from outside, which makes it a coordinator; it speaks on the bus."""
    return await house.agents.seat(
        Agent(
            id="scheduler", instructions=instructions("scheduler"), tools=("set_timer", "cancel_timer", "list_timers")
        ),
        spaces={"bus": Permission.WRITE, "timers": Permission.WRITE},
        subscriptions=("bus", "timers"),
    )
