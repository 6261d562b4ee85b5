"""Slack in a storm: nothing is lost, doubled or shown other than it was written, whatever breaks."""

import asyncio
import random

from channels.contract import Later, OutboundMessage
from tests.channels.slack_app import listening
from tests.rigs.slack.rig import Rig

PIECES = (
    "Some words, and *stressed* ones. ",
    "**Strong** and ~~wrong~~. ",
    "[A link](https://example.org/?a=1&b=2) in it. ",
    "\n\n- one\n- two *deep*\n",
    "\n\n```python\na = '<b> & *c*'\nprint(a)\n```\n\n",
    "`code *not bold*` ",
    "a_b_c 2 * 3 * 4 < 5 > 4 & so on ",
    "\n\n> quoted\n\n",
    "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n",
    "🎉 ",
)


async def test_whatever_grows_ends_as_it_is_written(rig: Rig) -> None:
    luck = random.Random(7)
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        wanted = []
        for number in range(25):
            whole = "".join(luck.choices(PIECES, k=luck.randint(1, 6))) + f"end {number}"
            cuts = sorted(luck.sample(range(1, len(whole)), k=min(5, len(whole) - 1)))
            shown = [text for cut in cuts for text in slack.dialect.messages(whole[:cut])[:1]] or ["…"]
            if luck.random() < 0.3:
                method = luck.choice(("chat.startStream", "chat.appendStream", "chat.stopStream"))
                await rig.fault(method, "message_not_in_streaming_state")
            id = await slack.send(OutboundMessage(thread, shown[0], growing=True))
            for text in shown[1:]:
                if luck.random() < 0.05:
                    await rig.expire_streams()
                assert await slack.edit(id, OutboundMessage(thread, text, growing=True))
            (final,) = slack.dialect.messages(whole)
            assert await slack.edit(id, OutboundMessage(thread, final))
            wanted.append(final)
        assert await rig.texts(room, ts) == wanted
        assert not (await rig.look())["streams"]


async def test_three_hundred_messages_are_heard_once_and_in_order_through_drops_and_repetitions(rig: Rig) -> None:
    luck = random.Random(11)
    async with listening(rig) as (_, heard):
        rooms = [await rig.room(f"room-{number}") for number in range(6)]
        await rig.settle(duplicates=0.3, patience=0.5)
        for number in range(300):
            if luck.random() < 0.03:
                await rig.drop()
            if luck.random() < 0.03:
                await rig.disconnect()
            if luck.random() < 0.05:
                await rig.again(luck.randint(1, 5))
            await rig.say(luck.choice(("alice", "bob")), rooms[number % 6], f"{number}")
        await heard.until(lambda: len(heard.messages) >= 300)
    for room in rooms:
        numbers = [int(message.text) for message in heard.messages if message.conversation == room]
        assert numbers == sorted(set(numbers))
    assert len(heard.messages) == 300


async def test_a_hundred_messages_are_shown_once_through_limits_and_trouble(rig: Rig) -> None:
    luck = random.Random(13)
    async with listening(rig) as (slack, _):
        dm = await rig.dm("alice")
        for number in range(100):
            message = OutboundMessage(dm, f"number {number}", key=f"k:{number}")
            if luck.random() < 0.2:
                error = luck.choice(("ratelimited", "internal_error"))
                late = error == "internal_error" and luck.random() < 0.5
                await rig.fault("chat.postMessage", error, times=2 - late, after=0, late=late)
            shown = None
            while not shown:
                try:
                    shown = await slack.send(message)
                except Later as error:
                    await asyncio.sleep(error.seconds)
                except OSError:
                    shown = await slack.find(message)
        assert await rig.texts(dm) == [f"number {number}" for number in range(100)]
