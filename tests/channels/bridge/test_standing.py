"""What is said in a space is shown only where it is still meant to be: not to accounts unlinked, blocked or others'."""

import asyncio

import pytest

from channels.contract import Home
from channels.keys import channel_keys
from channels.loopback import Loopback
from channels.people.rooms import Room
from core.atoms.atoms import Cause
from core.house import House
from core.spaces.spaces import Actor
from tests.channels.bridge.test_reception import ASSISTANT, Square, square

__all__ = ["square"]


async def until_read(square: Square, conversation: str, space: str = "chat") -> None:
    """Wait until a conversation has looked at all that was said in its space."""
    newest = await square.house.spaces.open(space).newest()
    reader = f"channel:square:{conversation}"
    while (await square.house.spaces.notifications.cursor(reader, space) or 0) < newest:
        await asyncio.sleep(0.01)


async def test_an_account_that_is_no_longer_the_owners_is_shown_nothing_of_the_chat(square: Square) -> None:
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    async with square.open():
        await square.link_owner("dm")
        await square.channel.say("hello", sender="me", conversation="dm")
        (asked,) = await square.said("chat", 1)
        await square.people.forget("square/me")
        await square.answer("The door's number is 4711.", to=asked)
        await square.house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await until_read(square, "dm")
    async with square.open():
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: see the lawyer.", metadata={"role": "assistant"})
        await square.people.rooms.save(Room(id="square/home", name="home"))
        await square.channel.say("anybody?", sender="bob", conversation="home", room="home")
        while not square.seated:
            await asyncio.sleep(0.01)
    assert square.channel.sent == []


async def test_an_answer_for_an_account_that_was_unlinked_is_shown_where_the_owner_is(square: Square) -> None:
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    async with square.open():
        await square.link_owner("dm")
        code = await square.people.link_code()
        await square.channel.say(code, sender="me-too", conversation="second")
        await square.channel.heard(1, "second")
        await square.channel.say("hello", sender="me-too", conversation="second")
        await square.channel.say("hello", sender="me", conversation="dm")
        _, asked = await square.said("chat", 2)
        await square.people.forget("square/me")
        await square.answer("It is 4711.", to=asked)
        shown = (await square.channel.heard(2, "second"))[1]
    assert shown.endswith("It is 4711.")
    assert [one for one in square.channel.sent if one.conversation == "dm"] == []


async def test_a_code_that_linked_an_account_does_not_link_it_again_once_it_is_unlinked(square: Square) -> None:
    async with square.open():
        code = await square.people.link_code()
        await square.channel.say(code, sender="me", conversation="dm")
        await square.channel.heard(1, "dm")
        await square.people.forget("square/me")
        await square.channel.say(code, sender="me", conversation="dm")
        await square.channel.heard(2, "dm")
    assert await square.people.find("square", "me") is None


async def test_whoever_has_an_account_that_was_the_owners_is_a_guest_of_their_own(square: Square) -> None:
    async with square.open():
        await square.link_owner("dm")
        await square.channel.say("a secret", sender="me", conversation="dm")
        await square.said("chat", 1)
        await square.people.forget("square/me")
        guest = await square.people.persons.add("Eve", ["square/me"])
        await square.channel.say("what was said here?", sender="me", conversation="dm")
        (asked,) = await square.said("chat-eve", 1)
        assert asked.author == guest.principal.id
        assert "chat" not in await square.house.spaces.held(guest.principal)
        await square.answer("Nothing.", to=asked)
        assert await square.channel.heard(1, "dm") == ["Nothing."]
        await square.answer("The owner's own.", to=(await square.said("chat", 1))[0])
        await square.channel.say("and now?", sender="me", conversation="dm")
        await square.said("chat-eve", 2)
    assert [one.text for one in square.channel.sent] == ["Nothing."]


async def test_a_guest_gets_no_right_in_the_owners_chat_whatever_the_platform_calls_the_conversation(
    square: Square,
) -> None:
    async with square.open():
        await square.link_owner("dm")
        guest = await square.people.persons.add("Bob", ["square/bob"])
        await square.people.rooms.save(Room(id="square/dm", name="once a direct message"))
        await square.channel.say("me too", sender="bob", conversation="dm", room="once a direct message")
        while not square.seated:
            await asyncio.sleep(0.01)
        await square.said(square.seated[0][0], 1)
        assert "chat" not in await square.house.spaces.held(guest.principal)


async def test_a_space_of_the_owners_does_not_become_the_chat_of_a_guest_of_that_name(square: Square) -> None:
    private = await square.house.spaces.create("chat-bob")
    await private.put("what I think of Bob")
    async with square.open():
        await square.link_owner("dm")
        guest = await square.people.persons.add("Bob", ["square/bob"])
        await square.channel.say("hello", sender="bob", conversation="bob-dm")
        await square.said(guest.chat, 1)
    assert guest.chat == "chat-bob-2"
    assert "chat-bob" not in await square.house.spaces.held(guest.principal)


async def test_a_guest_who_is_blocked_is_shown_nothing_and_one_who_is_let_in_again_is_heard(square: Square) -> None:
    async with square.open():
        await square.link_owner("dm")
        await square.people.persons.add("Bob", ["square/bob"])
        await square.channel.say("hello", sender="bob", conversation="bob-dm")
        (asked,) = await square.said("chat-bob", 1)
        await square.people.block("bob")
        await square.answer("This is for friends.", to=asked)
        await until_read(square, "bob-dm", "chat-bob")
        await square.people.allow("bob")
        await square.channel.say("again", sender="bob", conversation="bob-dm")
        _, again = await square.said("chat-bob", 2)
        await square.answer("Welcome back.", to=again)
        assert (await square.channel.heard(1, "bob-dm"))[-1] == "Welcome back."


async def test_nothing_is_said_in_a_room_that_was_blocked_since(square: Square) -> None:
    async with square.open():
        await square.link_owner("dm")
        await square.people.rooms.save(Room(id="square/home", name="home"))
        await square.channel.say("hello", sender="bob", conversation="home:1", parent="home", room="home")
        while len(square.seated) < 2:
            await asyncio.sleep(0.01)
        (asked,) = await square.said(square.seated[1][0], 1)
        await square.people.rooms.save(Room(id="square/home", name="home", status="blocked"))
        await square.answer("Hello, room.", to=asked)
        await until_read(square, "home:1", asked.space)
    assert square.channel.sent == []


async def test_a_page_that_was_the_owners_is_emptied_when_others_look_at_it(house: House) -> None:
    pages: list[tuple[str, Home]] = []

    class Paged(Loopback):
        async def home(self, person: str, home: Home) -> None:
            pages.append((person, home))

    await house.spaces.create("chat")
    square = Square(house, Paged("nowhere", "square"))
    async with square.open():
        await square.link_owner("dm")
        await square.people.forget("square/me")
        await square.channel.say("", sender="me", conversation="dm", kind="home")
        while not pages:
            await asyncio.sleep(0.01)
    assert pages == [("me", Home())]


@pytest.mark.parametrize("lost", ["lost", "unlinked"])
async def test_a_conversation_that_ended_leaves_nothing_running(square: Square, lost: str) -> None:
    def running() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks() if task.get_name().endswith("square/dm")}

    async with square.open():
        await square.link_owner("dm")
        while len(running()) < 3:
            await asyncio.sleep(0.01)
        if lost == "lost":
            await square.channel.say("they left", conversation="dm", kind="lost")
            while running():
                await asyncio.sleep(0.01)
    if lost == "unlinked":
        await square.people.forget("square/me")
        async with square.open():
            await square.people.persons.add("Bob", ["square/bob"])
            await square.channel.say("hello", sender="bob", conversation="bob-dm")
            await square.said("chat-bob", 1)
            assert running() == set()
