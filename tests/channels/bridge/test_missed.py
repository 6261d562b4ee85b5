"""What was said while nobody listened is taken when somebody does again, and nothing is dealt with twice."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from channels.bridge.inbox import Inbox
from channels.bridge.reception import Reception
from channels.contract import InboundMessage, Later
from channels.loopback import Loopback
from channels.people.rooms import Room
from core.house import House
from tests.channels.bridge.test_reception import Square, square

__all__ = ["square"]


class Remembering(Loopback):
    """A platform that can be asked what was said."""

    def __init__(self) -> None:
        super().__init__("nowhere", "square")
        self.past: dict[str, list[InboundMessage]] = defaultdict(list)
        self.asked: list[str] = []

    async def missed(self, conversation: str, after: str) -> AsyncIterator[InboundMessage]:
        self.asked.append(conversation)
        for message in self.past[conversation]:
            if int(message.id) > int(after):
                yield message


def mention(text: str, thread: str, id: str) -> InboundMessage:
    """What begins a thread in the room `home`."""
    return InboundMessage(thread, "bob", text, id, name="Bob", room="home", parent="home")


async def test_a_thread_that_was_begun_while_nobody_listened_is_found_with_what_was_said_in_it(square: Square) -> None:
    await square.people.rooms.save(Room(id="square/home", name="home"))
    async with square.open():
        await square.link_owner()
        said = {"conversation": "home:1", "room": "home", "parent": "home"}
        await square.channel.say("first", sender="bob", id="1001", **said)  # type: ignore[arg-type]
        while len(square.seated) < 2:
            await asyncio.sleep(0.01)
    channel = Remembering()
    channel.past["home"] = [mention("second", "home:2", "1002")]
    reply = InboundMessage(
        "home:2", "bob", "and more", "1003", room="home", parent="home", addressed=False, reply_to="1002"
    )
    channel.past["home:2"] = [reply]
    async with square.open(channel):
        while len(square.seated) < 3:
            await asyncio.sleep(0.01)
        heard = await square.said(square.seated[-1][0], 2)
    assert [atom.content for atom in heard] == ["second", "and more"]


async def test_only_where_something_was_said_lately_is_looked_for_more(house: House) -> None:
    inbox = Inbox(house.store, "square")
    for number in range(60):
        await inbox.keep(InboundMessage(f"dm-{number}", "me", "hello", str(number)))
        house.clock.move(minutes=1)  # type: ignore[attr-defined]
    recent = await inbox.recent()
    assert recent[:2] == [("dm-59", "59"), ("dm-58", "58")]
    assert len(recent) == 50
    house.clock.move(days=3)  # type: ignore[attr-defined]
    await inbox.keep(InboundMessage("dm-60", "me", "hello", "60"))
    assert await inbox.recent() == [("dm-60", "60")]


async def test_what_stands_nowhere_is_no_place_to_look_on_from(house: House) -> None:
    inbox = Inbox(house.store, "square")
    await inbox.keep(InboundMessage("dm", "me", "hello", "1"))
    await inbox.keep(InboundMessage("dm", "me", "what is due?", "command", passing=True))
    assert await inbox.recent() == [("dm", "1")]
    assert [message.text for _, message in await inbox.waiting()] == ["hello", "what is due?"]


async def test_a_platform_that_wants_to_be_left_alone_does_not_keep_us_from_listening(square: Square) -> None:
    class Hurried(Remembering):
        async def missed(self, conversation: str, after: str) -> AsyncIterator[InboundMessage]:
            raise Later(30)
            yield

    async with square.open():
        await square.link_owner()
    square.channel = Hurried()
    async with square.open():
        await square.channel.say("still there?", sender="me", conversation="dm", id="2001")
        assert [atom.content for atom in await square.said("chat", 1)] == ["still there?"]


async def test_a_word_of_ours_waits_where_the_platform_asks_for_it_and_is_said_once(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        square.channel.refusals += [Later(0), Later(0)]
        square.channel.losses.append(ConnectionError("no answer came"))
        await square.channel.say("let me in", sender="bob", name="Bob", conversation="bob-dm")
        await square.channel.heard(1, "bob-dm")
        await square.channel.say("hello", sender="me", conversation="dm")
        await square.said("chat", 1)
        while await square.inbox.waiting():
            await asyncio.sleep(0.01)
        assert len(await square.channel.heard(1, "bob-dm")) == 1


async def test_what_is_dealt_with_while_the_inbox_is_read_is_not_dealt_with_again(square: Square) -> None:
    found = asyncio.Event()

    class Slow(Inbox):
        async def waiting(self) -> list[tuple[str, InboundMessage]]:
            waiting = await super().waiting()
            if any(message.text == "hello" for _, message in waiting):
                found.set()
                while await super().waiting():
                    await asyncio.sleep(0.01)
            return waiting

    looked: list[str] = []

    class Counting(type(square.people)):  # type: ignore[misc]
        async def redeem(self, account: str, message: InboundMessage) -> str | None:
            looked.append(message.sender)
            await found.wait()
            return ""

    parts = square.parts
    people = Counting(square.house.spaces, square.house.approvals)
    square.parts = type(parts)(parts.spaces, people, parts.bindings, parts.files, parts.seat, parts.home)

    class Unhurried(Reception):
        def __init__(self, *given: object, **more: object) -> None:
            super().__init__(*given, **more)  # type: ignore[arg-type]
            self.inbox = Slow(square.house.store, "square")

    async with square.open(reception=Unhurried):
        await square.channel.say("hello", sender="bob", conversation="bob-dm")
        await found.wait()
        while await square.inbox.waiting():
            await asyncio.sleep(0.01)
        await square.channel.say("good night", sender="eve", conversation="eve-dm")
        while "eve" not in looked:
            await asyncio.sleep(0.01)
    assert looked.count("bob") == 1
