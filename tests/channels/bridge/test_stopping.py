"""The word and the button by which people stop what is under way in a conversation."""

import asyncio

import pytest

from core.agents.stopping import Stopping
from tests.channels.bridge.test_reception import Square, square
from tests.channels.bridge.test_resting import number

__all__ = ["square"]


@pytest.mark.parametrize("word", ["stop", "Stop!", "/stop"])
async def test_the_word_stops_what_waits_for_an_answer_there_and_says_so(square: Square, word: str) -> None:
    async with square.open():
        await square.link_owner()
        await square.channel.say("count to a million", sender="me", conversation="dm")
        (asked,) = await square.said("chat", 1)
        root = f"chat/{await number(square, asked)}"
        while await square.house.notifications.cursor("channel:square:dm", "chat") is None:
            await asyncio.sleep(0.01)
        await square.channel.say(word, sender="me", conversation="dm")
        assert await square.channel.heard(1, "dm") == ["I'll stop after the step that's under way."]
    assert await Stopping(square.house.store).asked(root)


async def test_the_button_stops_nothing_in_another_conversation(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.channel.say("count", sender="me", conversation="dm:1", parent="dm")
        (asked,) = await square.said("chat", 1)
        await square.channel.say("", sender="me", conversation="dm", kind="stop")
        assert await square.channel.heard(1, "dm") == ["Nothing is under way here."]
        root = f"chat/{await number(square, asked)}"
    assert not await Stopping(square.house.store).asked(root)


async def test_the_word_is_a_message_like_any_other_where_nothing_is_under_way(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.channel.say("stop", sender="me", conversation="dm")
        (said,) = await square.said("chat", 1)
    assert said.content == "stop"
