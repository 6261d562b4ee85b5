"""What tests about people share: messages of strangers, and the next of the owner's decisions."""

import asyncio

from channels.bridge.attachments import FileTransfer
from channels.bridge.bridge import Bridge
from channels.contract import Channel, InboundMessage
from channels.people.people import Admitted, People
from core.atoms.atoms import OWNER, Atom
from core.house import House

ACCOUNT = "slack"


def written(
    text: str = "Hi, may I ask something?",
    sender: str = "T1:U7",
    *,
    id: str = "m1",
    room: str = "",
    parent: str = "",
    addressed: bool = True,
    bot: bool = False,
    name: str = "Ana",
) -> InboundMessage:
    """A message of a stranger's, in a direct message or in a room."""
    place = "C9" if room else f"D-{sender}"
    return InboundMessage(
        f"{place}:1" if parent else place,
        sender,
        text,
        id,
        name=name,
        room=room,
        parent=parent,
        addressed=addressed,
        bot=bot,
    )


def bridge_of(house: House, channel: Channel) -> Bridge:
    """The bridge between a channel and a house, which tries again without waiting."""
    return Bridge(house.spaces, channel, FileTransfer(house.attachments, house.store), retry_seconds=(0, 0))


def people_of(house: House) -> People:
    return People(house.spaces, house.approvals)


async def linked_owner(people: People, sender: str = "T1:U1") -> None:
    """Let the owner's first account be linked, as at set-up."""
    code = await people.link_code()
    await people.redeem(ACCOUNT, written(code, sender, id=f"link-{sender}", name="Olga"))


async def card(house: House) -> Atom:
    """The one question that waits for the owner."""
    (atom,) = await house.approvals.waiting()
    return atom


async def decide(house: House, choice: str) -> None:
    await house.approvals.answer((await card(house)).id, choice, OWNER)


async def next_admitted(people: People) -> Admitted:
    """The first that is let in, as a bridge that has just started is told."""
    decisions = people.decisions()
    async with asyncio.timeout(20):
        admitted = await anext(decisions)
    await decisions.aclose()  # type: ignore[attr-defined]
    return admitted


async def up_to_now(house: House, people: People) -> list[Admitted]:
    """All that is let in, and played, until everything decided so far is dealt with."""
    found: list[Admitted] = []

    async def read() -> None:
        async for admitted in people.decisions():
            found.append(admitted)
            await people.played(admitted)

    await house.approvals.prepare()
    newest = await house.spaces.open("approvals").newest()
    reading = asyncio.create_task(read())
    async with asyncio.timeout(20):
        while (await house.notifications.cursor("house:people", "approvals") or 0) < newest:
            await asyncio.sleep(0.005)
    reading.cancel()
    await asyncio.wait([reading])
    return found
