"""Rendering never holds up the event loop, and ends in plain text where it takes too long."""

import asyncio
import re
import time

import pytest

from channels.bridge.delivery import Delivery
from channels.bridge.outbox import Outbox
from channels.bridge.rendering import MAX_THREAD_CHARS, Renderer, Unrenderable
from channels.loopback import Loopback
from channels.markdown import Dialect
from core.house import House


class Endless(Dialect):
    """A dialect with a pattern that backtracks for ever, which nothing but the end of its process stops."""

    def messages(self, markdown: str) -> list[str]:
        return [str(re.fullmatch(r"(\[+)+]", markdown))]


class Broken(Dialect):
    def messages(self, markdown: str) -> list[str]:
        raise IndexError(len(markdown))


async def test_a_long_text_is_rendered_as_a_short_one_is() -> None:
    text = "**one** two\n\n" * MAX_THREAD_CHARS
    assert await Renderer(Dialect(), 60).messages(text[:26]) == ["one two\n\none two"]
    assert await Renderer(Dialect(), 60).messages(text) == Dialect().messages(text)


async def test_rendering_that_goes_astray_ends_in_time_and_holds_up_nothing() -> None:
    stalls = list[float]()

    async def tick() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            stalls.append(time.monotonic() - began)

    ticking = asyncio.create_task(tick())
    with pytest.raises(Unrenderable, match=r"took more than 1 seconds"):
        await Renderer(Endless(), 1).messages("[" * (MAX_THREAD_CHARS + 1))
    ticking.cancel()
    assert len(stalls) > 20


async def test_a_text_that_cannot_be_rendered_is_shown_as_it_was_written(house: House) -> None:
    class Awry(Loopback):
        dialect: Dialect = Broken()

    channel = Awry()
    delivery = Delivery(channel, "hall", Outbox(house.store, "channel:loopback:hall"), retry_seconds=(0, 0))
    assert await delivery.show("chat/a", "**hello** [") == "its formatting failed (IndexError)"
    assert [message.text for message in channel.sent] == ["**hello** ["]
