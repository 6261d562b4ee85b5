"""An answer that takes a while is seen growing in one message, which in the end is the answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from channels.bridge.bindings import bound
from channels.bridge.session import TerminalSession
from channels.contract import InboundMessage, Later, OutboundMessage
from channels.loopback import Loopback
from core.atoms.atoms import Atom, Principal
from core.house import House
from core.spaces.notifications import Draft
from core.spaces.spaces import Actor
from tests.channels.scenes import bridge_of


class Wall(Loopback):
    """A platform whose messages can be edited and taken away."""

    pace = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.wall: dict[str, str] = {}
        """What is to be read there now, by message."""
        self.growing: list[str] = []

    async def send(self, message: OutboundMessage) -> str:
        id = await super().send(message)
        await self._show(id, message)
        return id

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        if id not in self.wall:
            return False
        await self._show(id, message)
        return await super().edit(id, message)

    async def remove(self, conversation: str, id: str) -> None:
        async with self._news:
            self.wall.pop(id, None)
            self._news.notify_all()

    async def _show(self, id: str, message: OutboundMessage) -> None:
        async with self._news:
            self.wall[id] = message.text
            if message.growing:
                self.growing.append(message.text)
            self._news.notify_all()

    async def until_it_reads(self, *texts: str) -> None:
        async with self._news:
            await self._news.wait_for(lambda: tuple(self.wall.values()) == texts)


@pytest.fixture
async def wall(house: House) -> Wall:
    await (await house.spaces.create("chat")).share("assistant", "write")
    return Wall()


@contextlib.asynccontextmanager
async def served(house: House, channel: Loopback) -> AsyncIterator[TerminalSession]:
    bridge = TerminalSession(bridge_of(house, channel), bound("loopback", "hall"))
    serving = asyncio.create_task(bridge.serve())
    try:
        async with asyncio.timeout(20):
            yield bridge
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def asked(house: House, channel: Loopback, bridge: TerminalSession) -> Atom:
    message: InboundMessage = await channel.say("tell me a story")
    assert message.text
    while not any(bridge.conversation.open.values()):
        await asyncio.sleep(0.01)
    (id,) = bridge.conversation.open
    return await house.spaces.open("chat").get(id)


async def draft(house: House, question: Atom, text: str | None) -> None:
    await house.notifications.draft("chat", Draft("assistant", text, (question.id,)))


async def answer(house: House, question: Atom, text: str) -> None:
    chat = house.spaces.open("chat", Actor(Principal("assistant")))
    await chat.put(text, metadata={"role": "assistant"}, references={"reply_to": [question.ref]})


async def test_an_answer_grows_in_the_message_that_becomes_the_answer(house: House, wall: Wall) -> None:
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        for text in ("Once upon", "Once upon a time"):
            await draft(house, question, text)
            await wall.until_it_reads(text)
        await answer(house, question, "Once upon a time there was a hall.")
        await wall.until_it_reads("Once upon a time there was a hall.")
    assert wall.growing == ["Once upon", "Once upon a time"]
    assert len(wall.sent) == 1


async def test_the_next_answer_is_a_message_of_its_own(house: House, wall: Wall) -> None:
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "One")
        await wall.until_it_reads("One")
        await answer(house, question, "One.")
        await wall.until_it_reads("One.")
        await answer(house, question, "Two.")
        await wall.until_it_reads("One.", "Two.")


async def test_whoever_serves_next_makes_whole_what_was_begun(house: House, wall: Wall) -> None:
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "Once upon")
        await wall.until_it_reads("Once upon")
    async with served(house, wall):
        await answer(house, question, "Once upon a time.")
        await wall.until_it_reads("Once upon a time.")
    assert len(wall.sent) == 1


async def test_a_straggler_of_an_answer_that_is_whole_already_shows_nothing(house: House, wall: Wall) -> None:
    slow, went_on = asyncio.Event(), asyncio.Event()

    async def draft_slowly(conversation: str, agent: str, text: str | None) -> None:
        await slow.wait()
        if text is None:
            went_on.set()

    wall.draft = draft_slowly  # type: ignore[method-assign]
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "Once")
        await answer(house, question, "Once upon a time.")
        await wall.until_it_reads("Once upon a time.")
        while bridge.conversation.open:
            await asyncio.sleep(0.01)
        slow.set()
        await draft(house, question, "Once upon")
        await draft(house, question, None)
        await went_on.wait()
        tasks = [task.get_name() for task in asyncio.all_tasks()]
    assert wall.growing == []
    assert [name for name in tasks if name.startswith("answer of")] == []


async def test_nothing_grows_any_more_when_the_conversation_is_served_no_more(house: House, wall: Wall) -> None:
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "Once upon")
        await wall.until_it_reads("Once upon")
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("answer of")] == []


async def test_what_cannot_be_taken_away_just_now_does_not_keep_the_next_answer_from_growing(
    house: House, wall: Wall
) -> None:
    async def refuse(conversation: str, id: str) -> None:
        raise Later(7)

    wall.remove = refuse  # type: ignore[method-assign]
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "I think")
        await wall.until_it_reads("I think")
        await draft(house, question, None)
        await draft(house, question, "I know")
        async with asyncio.timeout(3):
            await wall.until_it_reads("I think", "I know")


async def test_what_was_begun_goes_when_nothing_is_said_in_the_end(house: House, wall: Wall) -> None:
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "I think")
        await wall.until_it_reads("I think")
        await draft(house, question, None)
        await wall.until_it_reads()


async def test_an_answer_that_is_quick_is_shown_at_once_and_whole(house: House, wall: Wall) -> None:
    wall.pace = 60
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "Quick")
        await answer(house, question, "Quick answer.")
        await wall.until_it_reads("Quick answer.")
    assert wall.growing == []


async def test_a_beginning_that_is_gone_is_said_anew(house: House, wall: Wall) -> None:
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "Once")
        await wall.until_it_reads("Once")
        wall.wall.clear()
        await answer(house, question, "Once upon a time.")
        await wall.until_it_reads("Once upon a time.")


async def test_an_answer_to_somebody_elsewhere_is_not_shown_growing_here(house: House, wall: Wall) -> None:
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await house.notifications.draft("chat", Draft("assistant", "for others", ("another",)))
        await draft(house, question, "for you")
        await wall.until_it_reads("for you")
    assert wall.growing == ["for you"]


async def test_nothing_grows_while_an_older_answer_is_not_shown_and_neither_is_taken_for_the_other(
    house: House,
) -> None:
    released = asyncio.Event()

    class Slow(Wall):
        async def send(self, message: OutboundMessage) -> str:
            if not message.growing:
                await released.wait()
            return await super().send(message)

    await (await house.spaces.create("chat")).share("assistant", "write")
    wall = Slow()
    async with served(house, wall) as bridge:
        first = await asked(house, wall, bridge)
        await answer(house, first, "One.")
        await wall.say("and another")
        chat = house.spaces.open("chat")
        async for change in chat.follow():
            if change.atom and (question := await chat.get(change.atom)).content == "and another":
                break
        await draft(house, question, "Tw")
        while "assistant" not in bridge.conversation.writing:
            await asyncio.sleep(0.01)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not wall.sent
        released.set()
        await wall.until_it_reads("One.", "Tw")
        await answer(house, question, "Two.")
        await wall.until_it_reads("One.", "Two.")
    assert len(wall.sent) == 2


async def test_a_turn_that_ends_while_its_beginning_is_just_being_sent_has_one_message(house: House) -> None:
    sending, released = asyncio.Event(), asyncio.Event()

    class Slow(Wall):
        async def send(self, message: OutboundMessage) -> str:
            if message.growing:
                sending.set()
                await released.wait()
            return await super().send(message)

        async def find(self, message: OutboundMessage) -> str | None:
            return None if sending.is_set() and not released.is_set() else await super().find(message)

    await (await house.spaces.create("chat")).share("assistant", "write")
    wall = Slow()
    async with served(house, wall) as bridge:
        question = await asked(house, wall, bridge)
        await draft(house, question, "Once upon")
        await sending.wait()
        await draft(house, question, None)
        while "assistant" in bridge.conversation.writing:
            await asyncio.sleep(0.01)
        await answer(house, question, "Once upon a time.")
        newest = await house.spaces.open("chat").newest()
        for _ in range(20):  # enough for an answer that does not wait
            await house.notifications.cursor(bridge.conversation.binding.subscriber, "chat")
        released.set()
        await wall.until_it_reads("Once upon a time.")
        while await house.notifications.cursor(bridge.conversation.binding.subscriber, "chat") != newest:
            await asyncio.sleep(0.01)
    assert [message.text for message in wall.sent] == ["Once upon"]


@pytest.mark.parametrize("killed", [False, True])
async def test_a_beginning_whose_receipt_was_lost_is_found_and_made_whole(
    house: House, wall: Wall, killed: bool
) -> None:
    wall.losses.append(ConnectionError("no answer came"))
    async with contextlib.AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(served(house, wall))
        question = await asked(house, wall, bridge)
        await draft(house, question, "Once upon")
        await wall.heard(1)
        wall.wall["1"] = "Once upon"
        if killed:
            await stack.aclose()
            await stack.enter_async_context(served(house, wall))
        await answer(house, question, "Once upon a time.")
        await wall.until_it_reads("Once upon a time.")
    assert len(wall.sent) == 1
