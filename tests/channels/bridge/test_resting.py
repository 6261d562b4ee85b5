"""Threads of direct messages in which nothing is said rest: nobody follows them, and nothing meant for them is lost."""

import asyncio
from dataclasses import replace

from channels.accounts import AccountLease
from channels.bridge.bindings import Binding, Bindings
from channels.bridge.reception import Reception
from channels.contract import OutboundMessage
from channels.loopback import Loopback
from core.atoms.atoms import Atom, Cause, Principal
from core.house import House
from core.spaces.spaces import Actor
from core.testing import MovableClock
from tests.channels.bridge.test_reception import Square, square

__all__ = ["square"]

ASSISTANT = Principal("assistant")


async def resting(house: House) -> list[str]:
    return [binding.conversation for binding in await Bindings(house.store).of("square") if binding.resting]


async def answer(square: Square, question: Atom, text: str) -> None:
    chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause(f"chat/{await number(square, question)}", 2)))
    await chat.put(text, metadata={"role": "assistant"}, references={"reply_to": [question.ref]})


async def number(square: Square, question: Atom) -> int:
    changes = await square.house.spaces.open("chat").changes()
    return next(change.seq for change in changes if change.atom == question.id)


async def asleep(square: Square, clock: MovableClock) -> Atom:
    """A thread that rests, and the question that was once asked in it."""
    square.channel.conversations |= {"dm", "dm:1"}
    async with square.open():
        await square.link_owner()
        await square.channel.say("what is it?", sender="me", conversation="dm:1", parent="dm")
        (question,) = await square.said("chat", 1)
        await answer(square, question, "This.")
        assert await square.channel.heard(1, "dm:1") == ["This."]
        newest = await square.house.spaces.open("chat").newest()
        while await square.house.notifications.cursor("channel:square:dm:1", "chat") != newest:
            await asyncio.sleep(0.01)
    clock.move(days=4)
    async with square.open():
        while await resting(square.house) != ["dm:1"]:
            await asyncio.sleep(0.01)
    return question


async def test_a_thread_that_rests_is_taken_up_where_it_is_written_in_again(
    square: Square, clock: MovableClock
) -> None:
    await asleep(square, clock)
    async with square.open():
        await square.channel.say("and that?", sender="me", conversation="dm:1", parent="dm")
        question = (await square.said("chat", 2))[1]
        assert await resting(square.house) == []
        await answer(square, question, "That, too.")
        assert await square.channel.heard(2, "dm:1") == ["This.", "That, too."]


async def test_what_is_said_late_in_a_thread_that_rests_is_shown_there_once(
    square: Square, clock: MovableClock
) -> None:
    question = await asleep(square, clock)
    async with square.open():
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        assert await square.channel.heard(1, "dm") == ["Reminder: stretch."]
        assert await resting(square.house) == ["dm:1"]
        await answer(square, question, "I have found more.")
        await answer(square, question, "And that is all.")
        assert (await square.channel.heard(3, "dm:1"))[1:] == ["I have found more.", "And that is all."]
        assert await resting(square.house) == []


async def test_what_was_said_there_while_nobody_served_the_account_is_shown_afterwards(
    square: Square, clock: MovableClock
) -> None:
    question = await asleep(square, clock)
    await answer(square, question, "I have found more.")
    async with square.open():
        assert (await square.channel.heard(2, "dm:1"))[1] == "I have found more."
    async with square.open():
        await square.channel.say("thanks", sender="me", conversation="dm:1", parent="dm")
        await square.said("chat", 2)
    assert [one.text for one in square.channel.sent] == ["This.", "I have found more."]


async def test_nothing_is_skipped_where_another_direct_message_is_further_than_the_one_around_the_thread(
    square: Square, clock: MovableClock
) -> None:
    stuck, free = asyncio.Event(), asyncio.Event()

    class Slow(Loopback):
        async def send(self, message: OutboundMessage) -> str:
            if message.conversation == "dm":
                stuck.set()
                await free.wait()
            return await super().send(message)

    question = await asleep(square, clock)
    channel = Slow("dm", "square")
    channel.conversations.add("dm:1")
    async with square.open(channel):
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        await stuck.wait()
        await answer(square, question, "I have found more.")
        await channel.say(await square.people.link_code(), sender="me too", id="new", conversation="dm2")
        await channel.heard(1, "dm2")
        await answer(square, question, "And that is all.")
        assert await channel.heard(2, "dm:1") == ["I have found more.", "And that is all."]
        free.set()


async def test_a_thread_shows_nothing_any_more_while_it_is_written_down_that_it_rests(
    square: Square, clock: MovableClock
) -> None:
    question = await asleep(square, clock)
    early: list[str] = []
    watched = asyncio.Event()

    class Watched(Bindings):
        async def save(self, binding: Binding) -> None:
            if binding.resting:
                before = len(square.channel.sent)
                await answer(square, question, "I have found more.")
                for _ in range(50):
                    await square.house.store.run("PING")
                early.extend(one.text for one in square.channel.sent[before:])
                watched.set()
            await super().save(binding)

    (thread,) = [one for one in await Bindings(square.house.store).of("square") if one.resting]
    await Bindings(square.house.store).save(thread.model_copy(update={"resting": False}))
    square.parts = replace(square.parts, bindings=Watched(square.house.store))
    async with square.open():
        await watched.wait()
        assert early == []
        assert await square.channel.heard(2, "dm:1") == ["This.", "I have found more."]


async def test_a_thread_that_rests_is_forgotten_with_the_account_it_belongs_to(
    square: Square, clock: MovableClock
) -> None:
    await asleep(square, clock)
    await square.people.forget("square/me")
    async with square.open():
        while await Bindings(square.house.store).of("square"):
            await asyncio.sleep(0.01)


async def test_a_thread_may_be_woken_while_what_is_under_way_is_finished(square: Square, clock: MovableClock) -> None:
    endings: list[asyncio.Task[None]] = []

    class Watched(Bindings):
        async def save(self, binding: Binding) -> None:
            await super().save(binding)
            endings.append(asyncio.create_task(reception.drain(10)))
            await asyncio.sleep(0)

    await answer(square, await asleep(square, clock), "I have found more.")
    lease = AccountLease(square.house.store, "square", seconds=2)
    parts = replace(square.parts, bindings=Watched(square.house.store))
    async with asyncio.timeout(20), lease.held():
        reception = Reception(parts, square.channel, lease)
        serving = asyncio.create_task(reception.serve())
        await square.channel.heard(2, "dm:1")
        await asyncio.gather(*endings)
        serving.cancel()
        await asyncio.wait([serving])
