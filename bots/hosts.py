"""The hosts: the agents that others than the owner talk to, each in its own conversation and with nothing else."""

from channels.bridge.admission import OpenConversation
from channels.bridge.bindings import Binding
from conventions.loading import instructions, text
from core.agents.agents import Agent
from core.agents.budgets import GUESTS_ACCOUNT
from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.house import House


def seats(house: House) -> OpenConversation:
    """What gives a conversation with others its space and its host.

    The host has that space, in a thread also reads the room's, and is on no bus. In a direct message it also has what
    has been shared with the person, by a grant of theirs, so that it ends when theirs does. Nothing else of the owner's
    can be read there.
    """
    there = set[str]()

    async def seat(binding: Binding, room: str, person: Principal | None) -> None:
        host = Principal(f"host-{binding.space}")
        if binding.space not in there:
            await house.spaces.create(binding.space, description=text("guest" if binding.person else "room"))
            await house.agents.seat(
                Agent(
                    id=host.id,
                    instructions=instructions("host"),
                    speaks_in=binding.space,
                    guests=True,
                    accounts=(GUESTS_ACCOUNT,),
                ),
                spaces={binding.space: Permission.WRITE} | ({room: Permission.READ} if room else {}),
            )
            wanted = None if binding.person else {"addressed": True}  # what only happens to be said wakes nobody
            await house.spaces.open(binding.space, host).subscribe(metadata=wanted)
            there.add(binding.space)
        if person:
            await pass_on(person, host)

    async def pass_on(person: Principal, host: Principal) -> None:
        held = await house.spaces.held(host)
        for name, level in (await house.spaces.held(person)).items():
            if held.get(name, Permission.NONE) < min(level, Permission.WRITE):
                await house.spaces.open(name, person).pass_on(host.id, min(level, Permission.WRITE))

    return seat
