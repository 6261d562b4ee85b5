"""A session is bounded, what is read again stays the same, and what must survive is outside the transcript."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from core.errors import ModelUnavailable
from core.house import House
from core.models.llm import Message, Usage
from core.secrets.vault import Vault
from core.settings import Settings, load
from core.testing import ScriptedLLM
from core.turns.sessions import EARLIER, Session, turns_of
from tests.core.scenes import said, seat, tell, working


class Chatty:
    """A model that answers at length, and writes notes when it is asked to."""

    def __init__(self, notes: str = "They spoke of blue.", name: str = "chatty") -> None:
        self.name = name
        self.notes = notes
        self.seen: list[list[Message]] = []
        self.asked_for_notes: list[list[Message]] = []

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        if "You keep the notes" in messages[0].text:
            self.asked_for_notes.append(list(messages))
            if not self.notes:
                raise ModelUnavailable("The model is away.")
            yield self.notes
            yield Usage(self.name, 900, 20)
            return
        self.seen.append(list(messages))
        yield f"Answer {len(self.seen)}. " + "word " * 120


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return load(home=settings.home, namespace=settings.namespace, timezone="Europe/Paris", session_characters=4_000)


async def talk(house: House, turns: int, before: int = 0) -> None:
    for n in range(before, before + turns):
        await tell(house, f"Message {n}")
        await said(house, n + 1)
        while await house.store.run("EXISTS", house.store.keys.lease("assistant")):
            await asyncio.sleep(0.01)


async def transcript(house: House) -> list[Message]:
    return await Session(house.store, "assistant", 1_000_000).messages()


async def shortened(house: House) -> list[Message]:
    while not any(message.text.startswith(EARLIER) for message in await transcript(house)):
        await asyncio.sleep(0.02)
    return await transcript(house)


async def test_each_turn_reads_first_what_the_one_before_read_byte_by_byte(house: House) -> None:
    await seat(house, instructions="Be brief.", injected=("notes",))
    await house.spaces.create("notes")
    await house.spaces.open("notes").share("assistant", "write")
    llm = ScriptedLLM("```python\nnotes.put('a note')\nprint('kept')\n```", "One.", "Two.", "Three.")
    async with working(house, llm):
        for n in range(3):
            await tell(house, f"Message {n}")
            await said(house, n + 1)
    first, second, third, fourth = llm.seen
    assert second[: len(first)] == first
    for before, after in ((second, third), (third, fourth)):
        lasting = [one for one in before if not one.example and not one.text.startswith("## In notes")]
        assert [one for one in after if not one.example and not one.text.startswith("## In notes")][
            : len(lasting)
        ] == lasting
    assert fourth[:6] == [*third[:5], Message("user", third[-1].text)]
    assert "a note" in fourth[-2].text


async def test_a_long_transcript_becomes_notes_after_the_turn_and_not_before_the_answer(house: House) -> None:
    await seat(house)
    llm = Chatty()
    async with working(house, llm):
        await talk(house, 6)
        messages = await shortened(house)
    assert messages[0].text == f"{EARLIER}:\nThey spoke of blue."
    assert sum(len(message.text) for message in messages) <= 4_000
    assert [message.text[:9] for message in messages if message.role == "assistant"][-1] == "Answer 6."
    assert "Message 0" in llm.asked_for_notes[0][1].text
    assert len(turns_of(messages)) >= 3


async def test_between_two_shortenings_nothing_is_cut(house: House) -> None:
    await seat(house)
    llm = Chatty()
    async with working(house, llm):
        await talk(house, 6)
        await shortened(house)
        await talk(house, 2, before=6)
    before, after = llm.seen[-2:]
    assert before[1].text.startswith(EARLIER)
    assert after[: len(before) - 1] == before[:-1]


@pytest.mark.parametrize("llm", [Chatty(name="offline"), Chatty(notes="")])
async def test_without_a_model_for_notes_the_older_turns_are_left_out_with_a_word(house: House, llm: Chatty) -> None:
    await seat(house)
    async with working(house, llm):
        await talk(house, 6)
        messages = await shortened(house)
    assert any("older turns are left out here" in message.text for message in messages)
    assert sum(len(message.text) for message in messages) <= 4_000


async def test_what_must_survive_does(house: House) -> None:
    await seat(house, instructions="Be brief.")
    llm = Chatty()
    async with working(house, llm):
        await talk(house, 6)
        await shortened(house)
        session = Session(house.store, "assistant", 4_000)
        ledger, cursors = (await session.recall()).ledger, await house.notifications.cursor("assistant", "chat")
        await talk(house, 1, before=6)
    assert llm.seen[-1][0] == llm.seen[0][0]
    assert ledger
    assert cursors


async def test_notes_are_paid_for(house: House) -> None:
    await seat(house)
    async with working(house, Chatty()):
        await talk(house, 6)
        await shortened(house)
        spent = await house.store.run("HGETALL", house.store.keys.spending(f"{house.clock.now():%Y-%m-%d}"))
    assert any(b"900" in value or int(value) >= 900 for value in spent.values() if value.isdigit())


async def test_no_secret_is_shown_to_who_writes_the_notes(house: House) -> None:
    await seat(house)
    Vault(house.settings.home).put("BANK", "hush-hush-42")
    llm = Chatty()
    async with working(house, llm):
        await tell(house, "The code of the bank is hush-hush-42.")
        await said(house)
        await talk(house, 5, before=1)
        await shortened(house)
    assert "The code of the bank is [secret BANK]." in llm.asked_for_notes[0][1].text
    assert not any("hush-hush-42" in message.text for asked in llm.seen for message in asked)


async def test_a_worker_outlives_notes_that_fail_in_a_way_nobody_expected(house: House) -> None:
    class Broken(Chatty):
        async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
            if "You keep the notes" in messages[0].text:
                self.asked_for_notes.append(list(messages))
                raise RuntimeError("a fault of the library")
            async for piece in super().reply(messages):
                yield piece

    await seat(house)
    llm = Broken()
    async with working(house, llm):
        await talk(house, 6)
        while not llm.asked_for_notes:
            await asyncio.sleep(0.02)
        await talk(house, 1, before=6)


async def test_of_an_injected_space_as_much_is_shown_as_its_budget_holds(house: House) -> None:
    await house.spaces.create("notes")
    for n in range(40):
        await house.spaces.open("notes").put(f"note {n} " + "x" * 190)
    await seat(house, injected=("notes",))
    await house.spaces.open("notes").share("assistant", "read")
    llm = ScriptedLLM("Yes.")
    async with working(house, llm):
        await tell(house, "Hello")
        await said(house)
    shown = llm.seen[0][-2].text
    assert shown.startswith("## In notes now\n- note 39")
    lines = shown.splitlines()
    assert len(lines) < 42
    assert lines[-1] == f"- {40 - (len(lines) - 2)} more; spaces['notes'].search(...) finds them"
    assert len(shown) < 6_200
