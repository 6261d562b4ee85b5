"""Each terminal is a conversation of its own: it shows its answers, and those of the others with their questions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from channels.bridge.bindings import bound
from channels.bridge.session import TerminalSession
from channels.loopback import Loopback
from channels.terminal.pipe import Pipe
from core.atoms.atoms import Atom, Principal
from core.house import House
from core.spaces.spaces import Actor
from tests.channels.scenes import bridge_of


class Window(Loopback):
    """A terminal's stand-in."""

    def __init__(self, number: int) -> None:
        super().__init__(f"owner-{number}", "terminal")

    @contextlib.asynccontextmanager
    async def open(self, house: House) -> AsyncIterator[None]:
        session = TerminalSession(bridge_of(house, self), bound(self.name, self.conversation))
        serving = asyncio.create_task(session.serve())
        try:
            async with asyncio.timeout(30):
                await until_shown(session)
                yield
                await until_shown(session)
        finally:
            serving.cancel()
            await asyncio.wait([serving])


async def until_shown(session: TerminalSession) -> None:
    while not await session.conversation.shown():
        await asyncio.sleep(0.01)


async def opened_chat(house: House) -> None:
    await (await house.spaces.create("chat")).share("assistant", "write")


async def answer(house: House, text: str, to: Atom | None = None) -> None:
    chat = house.spaces.open("chat", Actor(Principal("assistant")))
    await chat.put(text, metadata={"role": "assistant"}, references={"reply_to": [to.id]} if to else {})


async def asked(house: House, text: str) -> Atom:
    chat = house.spaces.open("chat")
    while True:
        for change in await chat.changes():
            if change.operation == "put" and (atom := await chat.get(change.atom)).content == text:
                return atom
        await asyncio.sleep(0.01)


def texts(window: Loopback) -> list[str]:
    return [message.text for message in window.sent]


async def test_an_answer_is_shown_where_it_was_asked_and_with_its_question_in_the_other(house: House) -> None:
    await opened_chat(house)
    one, two = Window(1), Window(2)
    async with one.open(house), two.open(house):
        await one.say("When do we leave?")
        await answer(house, "At nine.", await asked(house, "When do we leave?"))
        await one.heard(1)
        await two.heard(1)
        await two.say("And back?")
        await answer(house, "At six.", await asked(house, "And back?"))
        await one.heard(2)
        await two.heard(2)
    assert texts(one) == ["At nine.", "> And back?\n\nAt six."]
    assert texts(two) == ["> When do we leave?\n\nAt nine.", "At six."]


async def test_what_nobody_asked_for_is_shown_in_every_window_once(house: House) -> None:
    await opened_chat(house)
    one, two = Window(1), Window(2)
    async with one.open(house), two.open(house):
        await answer(house, "Time to leave.")
        await one.heard(1)
        await two.heard(1)
    async with Window(3).open(house):
        pass
    assert texts(one) == texts(two) == ["Time to leave."]


async def test_a_new_window_goes_on_where_the_last_one_ended(house: House) -> None:
    await opened_chat(house)
    one, two = Window(1), Window(2)
    async with one.open(house):
        await one.say("When do we leave?")
        question = await asked(house, "When do we leave?")
        await answer(house, "Soon.", question)
        await one.heard(1)
    await answer(house, "At nine.", question)
    async with two.open(house):
        await two.heard(1)
    assert texts(two) == ["> When do we leave?\n\nAt nine."]


async def test_a_window_that_is_closed_leaves_nothing_behind_where_the_owner_is_reached(house: House) -> None:
    await opened_chat(house)
    one = Window(1)
    async with one.open(house):
        await one.say("hello")
        await asked(house, "hello")
    left = await house.store.run("KEYS", f"{house.store.keys.namespace}:*owner-1*")
    assert left == []


def test_every_terminal_has_a_conversation_of_its_own() -> None:
    assert Pipe(source=0, target=1).conversation != Pipe(source=0, target=1).conversation
    assert bound("terminal", Pipe(source=0, target=1).conversation).window
