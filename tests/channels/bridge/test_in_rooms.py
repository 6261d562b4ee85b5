"""In rooms others read along: only what is meant for us is answered there, and nothing of the owner's is told."""

import asyncio

import pytest

from channels.bridge.admission import space_of_room, space_of_thread
from channels.people.rooms import Room
from core.atoms.validation import SPACE_NAME
from tests.channels.bridge.test_reception import Square, square

__all__ = ["square"]


async def test_in_a_thread_that_is_only_listened_to_nobody_is_answered_until_they_call_us(square: Square) -> None:
    await square.people.rooms.save(Room(id="square/home", name="home", listen="all"))
    said = (("lunch?", False), ("at one", False), ("what do you think?", True), ("and where?", False))
    for count in (2, 4):  # what is known of the thread outlives whoever serves it
        for text, called in said[count - 2 : count]:
            await square.channel.say(
                text, sender="bob", conversation="home:1", parent="home", room="home", addressed=called
            )
        async with square.open():
            while len(square.seated) < 2:
                await asyncio.sleep(0.01)
            heard = await square.said(square.seated[1][0], count)
    assert [(atom.content, atom.metadata["addressed"]) for atom in heard] == [
        ("lunch?", False),
        ("at one", False),
        ("what do you think?", True),
        ("and where?", True),
    ]


async def test_where_it_must_be_mentioned_every_time_its_own_threads_are_no_exception(square: Square) -> None:
    await square.people.rooms.save(Room(id="square/home", name="home", listen="mentions"))
    async with square.open():
        for text, called in (("what do you think?", True), ("and where?", False), ("and when?", True)):
            await square.channel.say(
                text, sender="bob", conversation="home:1", parent="home", room="home", addressed=called
            )
        while len(square.seated) < 2:
            await asyncio.sleep(0.01)
        heard = await square.said(square.seated[1][0], 2)
    assert [atom.content for atom in heard] == ["what do you think?", "and when?"]


@pytest.mark.parametrize("words", ["approve", "/deny that", "approve {id}", "deny {id} once"])
async def test_a_room_is_told_nothing_of_what_waits_for_the_owner(square: Square, words: str) -> None:
    async with square.open():
        await square.link_owner()
        await square.people.rooms.save(Room(id="square/home", name="home"))
        question = await square.house.approvals.ask("agent-1 asks to read the diary.", asker="agent-1")
        await square.channel.say(words.format(id=question.id), sender="me", conversation="home", room="home")
        (told,) = await square.channel.heard(1, "home")
    assert told == "Others read along here, so please answer that in our direct messages."
    assert (await square.house.approvals.outcome(question.id)).status == "open"


def test_very_many_threads_of_a_room_have_each_a_space_of_their_own() -> None:
    room = space_of_room("slack-workspace", "the garden behind the house, and all that grows in it", "C024BE91L")
    spaces = {space_of_thread(room, f"C024BE91L:1796052246.{number:06}") for number in range(50_000)}
    assert len(spaces) == 50_000
    assert all(SPACE_NAME.fullmatch(f"dm-host-{space}") for space in spaces)


async def test_a_thread_reads_along_in_the_space_that_its_room_has_whatever_the_room_is_called_by_now(
    square: Square,
) -> None:
    async with square.open():
        for name, thread in (("home", "home:1"), ("house", "home:2")):
            await square.people.rooms.save(Room(id="square/home", name=name))
            await square.channel.say("hello", sender="bob", conversation=thread, parent="home", room=name)
            while not [room for _, room in square.seated if room][int(name == "house") :]:
                await asyncio.sleep(0.01)
    (room, _), *threads = square.seated
    assert [around for _, around in threads] == [room, room]
