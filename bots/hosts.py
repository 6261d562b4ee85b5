"""The hosts: the agents that others than the owner talk to, each in its own conversation and with nothing else."""

from channels.admission import Seat
from channels.bindings import Binding
from conventions.loading import instructions, text
from core.agents import Agent
from core.house import House
from core.permissions import Permission


def seats(house: House) -> Seat:
    """What gives a conversation with others its space and its host.

    The host has that space, in a thread also reads the room's, and is on no bus, so nothing private can be said there
    that the owner has not shared with it.
    """

    async def seat(binding: Binding, room: str) -> None:
        await house.spaces.create(binding.space, description=text("room" if not binding.person else "guest"))
        host = await house.agents.seat(
            Agent(id=f"host-{binding.space}", instructions=instructions("host"), speaks_in=binding.space),
            spaces={binding.space: Permission.WRITE} | ({room: Permission.READ} if room else {}),
        )
        wanted = None if binding.person else {"addressed": True}  # what only happens to be said wakes nobody
        await house.spaces.open(binding.space, host.principal).subscribe(metadata=wanted)

    return seat
