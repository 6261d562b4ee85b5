"""Hosts: the agents that talk to people other than the owner, each in one conversation."""

from channels.bridge.admission import OpenConversation
from channels.bridge.bindings import Binding
from conventions.loading import instructions, text
from core.agents.agents import Agent
from core.agents.budgets import GUESTS_ACCOUNT
from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.house import House


def seats(house: House) -> OpenConversation:
    """Gives a conversation with others its space and its host.

    A host has that space and is on no bus; in a thread it also reads the room's space. In a direct message it also has
    what was shared with the person, by that person's grant, so that it ends when theirs does. Nothing else of the
    owner's can be read there.
    """
    seated = set[str]()

    async def seat(binding: Binding, room: str, person: Principal | None) -> None:
        host = Principal(f"host-{binding.space}")
        if binding.space not in seated:
            await house.spaces.create(binding.space, description=text("guest" if binding.person else "room"))
            agent = Agent(
                id=host.id,
                instructions=instructions("host"),
                speaks_in=binding.space,
                guests=True,
                accounts=(GUESTS_ACCOUNT,),
            )
            also = {room: Permission.READ} if room else {}
            await house.agents.seat(agent, spaces={binding.space: Permission.WRITE} | also)
            wanted = None if binding.person else {"addressed": True}  # in a room, only being addressed wakes the host
            await house.spaces.open(binding.space, host).subscribe(metadata=wanted)
            seated.add(binding.space)
        if person:
            await _pass_on(house, person, host)

    return seat


async def _pass_on(house: House, person: Principal, host: Principal) -> None:
    """Let the host use what was shared with the person."""
    held = await house.spaces.held(host)
    for name, level in (await house.spaces.held(person)).items():
        if held.get(name, Permission.NONE) < min(level, Permission.WRITE):
            await house.spaces.open(name, person).pass_on(host.id, min(level, Permission.WRITE))
