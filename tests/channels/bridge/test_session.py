"""The bridge between a platform and a chat space: everything said is taken once, everything answered is shown."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import bound
from channels.bridge.bridge import Bridge
from channels.bridge.session import TerminalSession
from channels.contract import ChannelClosed
from channels.loopback import Loopback
from core.atoms.atoms import OWNER, Atom, Cause, Principal
from core.atoms.validation import MAX_CONTENT_BYTES
from core.errors import ModelUnavailable
from core.spaces.attachments import Attachments
from core.spaces.notifications import Draft, Notifications
from core.spaces.spaces import Actor, Spaces
from core.store.files import Files
from core.store.keys import Keys
from core.store.store import Store, client, waiting_client
from core.testing import MovableClock

ASSISTANT = Principal("assistant")


@dataclass
class Hall:
    """A chat space on a real Redis, and a platform to join to it."""

    spaces: Spaces
    notifications: Notifications
    clock: MovableClock
    channel: Loopback
    attachments: Attachments

    def bridge(self, channel: Loopback | None = None) -> TerminalSession:
        files = FileTransfer(self.attachments, self.spaces.store)
        return TerminalSession(Bridge(self.spaces, channel or self.channel, files, (0, 0)), bound("loopback", "hall"))

    async def asked(self, count: int = 1) -> list[Atom]:
        """What people have put into the chat space, once there are so many."""
        space = self.spaces.open("chat")
        found: list[Atom] = []
        async for change in space.follow():
            if change.operation == "put" and (atom := await space.get(change.atom)).metadata["role"] == "user":
                found.append(atom)
            if len(found) == count:
                break
        return found

    async def answer(self, text: str, to: Atom | None = None, cause: Cause | None = None) -> Atom:
        return await self.spaces.open("chat", Actor(ASSISTANT, cause or Cause())).put(
            text, metadata={"role": "assistant"}, references={"reply_to": [to.ref]} if to else {}
        )


@pytest.fixture
async def hall(redis_url: str, namespace: str, tmp_path: Path) -> AsyncIterator[Hall]:
    clock = MovableClock(datetime.now(UTC))
    redis = client(redis_url)
    store = Store(redis, Keys(namespace), clock)
    await store.load()
    waiting = waiting_client(redis)
    async with Notifications(store, waiting) as notifications:
        spaces = Spaces(store, notifications, None)
        chat = await spaces.create("chat")
        await chat.share("assistant", "write")
        yield Hall(spaces, notifications, clock, Loopback(), Attachments(Files(tmp_path)))
    await waiting.aclose()
    await redis.aclose()


async def test_a_message_becomes_an_atom_of_its_author(hall: Hall) -> None:
    await hall.channel.say("buy milk\nand bread")
    await hall.channel.close()
    await hall.bridge().receive()
    (atom,) = await hall.asked()
    told = {"role": "user", "conversation": "loopback/hall"}
    assert (atom.content, atom.author, atom.metadata) == ("buy milk\nand bread", OWNER.id, told)
    (entry,) = await hall.spaces.open("chat").history(atom.id)
    assert entry.comment == "buy milk and bread"


async def test_a_message_told_twice_is_one_atom(hall: Hall) -> None:
    await hall.channel.say("hello", id="42")
    await hall.channel.say("hello", id="42")
    await hall.channel.say("goodbye", id="43")
    await hall.channel.close()
    await hall.bridge().receive()
    assert [atom.content for atom in await hall.asked(2)] == ["hello", "goodbye"]


async def test_control_characters_and_lone_surrogates_do_not_enter(hall: Hall) -> None:
    await hall.channel.say("a\x00\x1b[31mb\tc\r\nd\ud800")
    await hall.channel.close()
    await hall.bridge().receive()
    assert (await hall.asked())[0].content == "a[31mb\tc\nd\ufffd"


async def test_the_largest_message_is_taken_and_a_larger_one_answered_with_the_reason(hall: Hall) -> None:
    await hall.channel.say("é" * (MAX_CONTENT_BYTES // 2 + 1))
    await hall.channel.say("é" * (MAX_CONTENT_BYTES // 2))
    await hall.channel.close()
    await hall.bridge().receive()
    assert "too long" in hall.channel.sent[0].text
    assert len((await hall.asked())[0].content) == MAX_CONTENT_BYTES // 2


async def test_a_message_without_text_is_answered_with_the_reason(hall: Hall) -> None:
    await hall.channel.say("\x00\x01")
    await hall.channel.close()
    await hall.bridge().receive()
    assert "no readable text" in hall.channel.sent[0].text


async def test_answers_are_shown_in_order_and_what_people_said_is_not(hall: Hall) -> None:
    bridge = hall.bridge()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(bridge.serve())
        await hall.channel.say("hello")
        (asked,) = await hall.asked()
        for text in "one", "two", "three":
            await hall.answer(text, to=asked)
        assert await hall.channel.heard(3) == ["one", "two", "three"]
        serving.cancel()


async def test_whoever_comes_late_is_shown_what_was_missed_and_that_only(hall: Hall) -> None:
    async def visit(count: int) -> list[str]:
        channel = Loopback()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(hall.bridge(channel).serve())
            heard = await channel.heard(count)
            while await hall.notifications.cursor("channel:loopback:hall", "chat") != len(await chat.changes()):
                await asyncio.sleep(0)
            serving.cancel()
        return heard

    chat = hall.spaces.open("chat")
    await hall.answer("one")
    assert await visit(1) == ["one"]
    await hall.answer("two")
    await hall.answer("three")
    assert await visit(2) == ["two", "three"]


async def test_what_is_old_when_it_is_shown_says_so(hall: Hall) -> None:
    await hall.answer("Reminder: it is time.")
    hall.clock.move(hours=2)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve())
        (text,) = await hall.channel.heard(1)
        serving.cancel()
    assert text.startswith("*(said ")
    assert text.endswith("\nReminder: it is time.")


async def test_many_old_answers_are_summed_up_in_one_message_and_new_ones_are_shown_as_ever(hall: Hall) -> None:
    for number in range(8):
        await hall.answer(f"Reminder: number {number} is due.")
    hall.clock.move(hours=2)
    await hall.answer("And now?")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve())
        summary, now = await hall.channel.heard(2)
        serving.cancel()
    assert summary.startswith("While nothing could be shown here I said 8 things.")
    assert all(f"number {number} is due" in summary for number in range(8))
    assert now == "And now?"


async def test_a_platform_that_is_away_is_waited_for_however_long(hall: Hall) -> None:
    hall.channel.refusals.extend([ConnectionError("no route")] * 2)
    await hall.answer("one")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve())
        assert await hall.channel.heard(1) == ["one"]
        serving.cancel()


async def test_a_delivery_that_fails_is_tried_again(hall: Hall) -> None:
    hall.channel.refusals.extend([OSError("busy"), RuntimeError("broken")])
    await hall.answer("one")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve())
        assert await hall.channel.heard(1) == ["one"]
        serving.cancel()


async def test_an_answer_that_cannot_be_delivered_is_noted_and_the_next_one_is_shown(hall: Hall) -> None:
    hall.channel.refusals.extend([RuntimeError("no route")] * 6)
    first = await hall.answer("one")
    await hall.answer("two")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve())
        assert await hall.channel.heard(1) == ["two"]
        serving.cancel()
    chat = hall.spaces.open("chat")
    changes = [change for change in await chat.changes() if change.operation == "put"]
    note = next(atom for atom in [await chat.get(c.atom) for c in changes] if atom.metadata["role"] == "note")
    assert "something went wrong on the way" in note.content
    assert note.references["about"] == [first.ref]


async def test_an_answer_that_fails_three_times_is_sent_plain_and_noted(hall: Hall) -> None:
    hall.channel.refusals.extend([RuntimeError("no such block")] * 3)
    first = await hall.answer("**one**")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve())
        assert await hall.channel.heard(1) == ["**one**"]
        chat = hall.spaces.open("chat")
        while (newest := await chat.get((await chat.changes())[-1].atom)).metadata["role"] != "note":
            await asyncio.sleep(0.01)
        serving.cancel()
    assert newest.content.startswith("This answer was shown as plain text in loopback: ")
    assert newest.references["about"] == [first.ref]


async def test_serving_ends_when_nobody_reads_any_more(hall: Hall) -> None:
    hall.channel.refusals.append(ChannelClosed("gone"))
    await hall.answer("one")
    await hall.bridge().serve()
    assert await hall.notifications.cursor("channel:loopback:hall", "chat") != len(
        await hall.spaces.open("chat").changes()
    )


async def test_at_the_end_it_waits_for_the_answer_and_no_longer(hall: Hall) -> None:
    await hall.channel.say("hello")
    await hall.channel.close()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve(wait=60))
        (asked,) = await hall.asked()
        assert not serving.done()
        await hall.answer("hi", to=asked)
    assert [message.text for message in hall.channel.sent] == ["hi"]


async def test_an_answer_that_comes_over_other_spaces_is_known_by_its_cause(hall: Hall) -> None:
    await hall.channel.say("remind me")
    await hall.channel.close()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hall.bridge().serve(wait=60))
        await hall.asked()
        (put,) = [change for change in await hall.spaces.open("chat").changes() if change.operation == "put"]
        await hall.answer("Done.", cause=Cause(f"chat/{put.seq}", 4))
    assert [message.text for message in hall.channel.sent] == ["Done."]


async def test_without_an_answer_it_ends_after_the_given_time_and_says_so(hall: Hall) -> None:
    await hall.channel.say("hello")
    await hall.channel.close()
    with pytest.raises(ModelUnavailable, match="No answer came"):
        await hall.bridge().serve(wait=0.05)
    assert len(await hall.asked()) == 1


async def test_at_the_end_it_waits_until_nobody_works_any_more(hall: Hall) -> None:
    await hall.channel.say("hello")
    await hall.channel.close()
    looks: list[bool] = []

    async def idle() -> bool:
        if len(looks) == 1:
            await hall.answer("and the report", to=asked)
        looks.append(len(looks) == 2)
        return looks[-1]

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hall.bridge().serve(60, idle))
        (asked,) = await hall.asked()
        await hall.answer("hi", to=asked)
    assert [message.text for message in hall.channel.sent] == ["hi", "and the report"]
    assert looks == [False, False, True]


async def test_drafts_reach_a_channel_that_can_show_them(hall: Hall) -> None:
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hall.bridge().serve())
        await hall.channel.say("hello")
        (asked,) = await hall.asked()
        while not hall.channel.drafts:
            await hall.notifications.draft("chat", Draft("assistant", "Let me", (asked.id,)))
            await asyncio.sleep(0)
        serving.cancel()
    assert hall.channel.drafts[0] == "Let me"
