"""A program that waits ends its turn, blocks nobody, and goes on in a turn of its own when it has what it waits for."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

import pytest

from core.atoms.atoms import OWNER
from core.house import House
from core.models.frames import parse_output
from core.models.llm import Message
from core.search.filters import Filter
from core.store.codec import pack, unpack
from core.testing import MovableClock, ScriptedLLM
from core.tools.waits import Waits, check_conditions, passes_filter
from core.turns.programs import Programs
from tests.core.scenes import said, seat, tell, working


def code(text: str) -> str:
    return f"```python\n{text}\n```"


def writing(*programs: str) -> ScriptedLLM:
    """Answers each message with the next program, and its output with what it printed, or "Noted."."""
    left = list(programs)

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        output = parse_output(tail)
        if output is None:
            return code(left.pop(0)) if left else "Nothing to do."
        return output[0] + (output[1] or "") or "Noted."

    return ScriptedLLM(reply)


async def waiting(house: House, count: int = 1, agent: str = "assistant") -> list[str]:
    """The ids of the programs that wait, once there are so many and their turn is over."""
    waits = Waits(house.spaces)
    while True:
        found = await waits.of(agent)
        if len(found) == count and not await house.store.run("EXISTS", house.store.keys.lease(agent)):
            return [one.id for one in found]
        await asyncio.sleep(0.01)


def move(house: House, **duration: float) -> None:
    assert isinstance(house.clock, MovableClock)
    house.clock.move(**duration)


async def test_a_deferred_action_is_a_closure(house: House) -> None:
    await seat(house)
    program = "dish = 'lasagne'\nwait_until('tomorrow at 9am')\nprint('Cook', dish, now()[:16])"
    async with working(house, writing(program)):
        asked = await tell(house, "Tell me tomorrow at 9 to cook")
        (noted,) = await said(house)
        await waiting(house)
    assert noted.content == "Noted."
    move(house, hours=18)
    async with working(house, writing()):
        await asyncio.sleep(0.5)
        move(house, hours=1)
        _, reminded = await said(house, 2)
        await waiting(house, 0)
    assert reminded.content == "Cook lasagne 2026-11-23T09:30"
    assert reminded.references == {"reply_to": [asked.id]}
    assert await Waits(house.spaces).of("assistant") == []
    assert not await house.store.run("EXISTS", house.store.keys.programs("assistant"))


async def test_the_session_shows_that_a_program_waits_and_what_came_of_it(house: House) -> None:
    await seat(house)
    llm = writing("wait_until('in 2 hours')\nprint('Now!')")
    async with working(house, llm):
        await tell(house, "In two hours")
        await said(house)
        (id,) = await waiting(house)
        await tell(house, "And?")
        await said(house, 2)
        move(house, hours=3)
        await said(house, 3)
    told = llm.seen[1][-1].text
    assert "The program waits until today at 16:30" in told
    assert id in told
    assert f"- {id} waits until today at 16:30, in: wait_until('in 2 hours')" in llm.seen[2][-1].text
    assert f"Your program {id} goes on." in llm.seen[3][-2].text
    assert "these wait" not in llm.seen[3][-2].text


async def test_people_are_answered_while_programs_wait(house: House) -> None:
    await seat(house)
    programs = [f"n = {n}\nwait_until('in {n} hours')\nprint('program', n)" for n in (3, 1, 2)]
    async with working(house, writing(*programs)):
        for n in range(3):
            await tell(house, f"Go {n}")
            await said(house, n + 1)
        await waiting(house, 3)
        for hours in (1, 1, 1):
            move(house, hours=hours)
            await said(house, 3 + hours)
            await asyncio.sleep(0.1)
        answers = await said(house, 6)
    assert [a.content for a in answers[3:]] == ["program 1", "program 2", "program 3"]


async def test_a_program_without_anything_to_tell_asks_no_model(house: House) -> None:
    await seat(house)
    llm = writing("for n in range(3):\n    wait_until('in 1 hour')\n    chat.put(f'hour {n}')")
    async with working(house, llm):
        await tell(house, "Every hour")
        await said(house)
        for n in range(3):
            await waiting(house)
            move(house, hours=1)
            await said(house, 2 + n)
        await waiting(house, 0)
    assert len(llm.seen) == 2


async def test_what_comes_after_in_the_turn_that_went_on_sees_the_variables(house: House) -> None:
    await seat(house)
    llm = ScriptedLLM(
        code("x = 20\nwait_until('in 1 hour')\nx += 1\nprint('woken')"), "", code("print(x * 2)"), "It is 42."
    )
    async with working(house, llm):
        await tell(house, "Go")
        await waiting(house)
        move(house, hours=1)
        await said(house)
    assert "42" in llm.seen[3][-1].text


async def test_a_new_program_may_run_in_the_turn_in_which_one_began_to_wait(house: House) -> None:
    await seat(house)
    llm = ScriptedLLM(
        code("a = chat.put('first')\nwait_until('in 1 hour')\nprint(a.content)"),
        code("b = chat.put('second')\nwait_until('in 2 hours')\nprint(b.content)"),
        "",
        "First is over.",
        "Second is over.",
    )
    async with working(house, llm):
        await tell(house, "Go")
        await waiting(house, 2)
        move(house, hours=1)
        await said(house, 3)
        await waiting(house, 1)
        move(house, hours=1)
        answers = await said(house, 4)
    assert [a.content for a in answers] == ["first", "second", "First is over.", "Second is over."]
    assert "first" in llm.seen[3][-1].text
    assert "second" in llm.seen[4][-1].text


@pytest.mark.parametrize("mine", ["chat.put('mine', metadata={'kind': 'order', 'n': 7})\n", ""])
async def test_it_may_wait_for_a_change_of_somebody_else_that_passes_a_filter(house: House, mine: str) -> None:
    await seat(house)
    program = f"{mine}order = wait_for('chat', metadata={{'kind': 'order', 'n': {{'gt': 5}}}})\nprint(order.content)"
    chat = house.spaces.open("chat")
    async with working(house, writing(program)):
        await tell(house, "Wait for an order")
        await waiting(house)
        await chat.put("no order", metadata={"n": 6})
        await chat.put("too few", metadata={"kind": "order", "n": 5})
        small = await chat.put("grows", metadata={"kind": "order", "n": 1})
        await chat.update(small.id, comment="more", metadata={"n": 6})
        while "grows" not in [atom.content for atom in await chat.search(metadata={"role": "assistant"})]:
            await asyncio.sleep(0.02)


async def test_in_a_loop_it_is_told_of_every_change(house: House) -> None:
    await seat(house)
    await house.spaces.create("orders")
    await house.spaces.open("orders").share("assistant", "read")
    program = "for _ in range(4):\n    order = wait_for('orders', timeout=3600)\n    print(order and order.content)"
    orders, chat = house.spaces.open("orders"), house.spaces.open("chat")
    async with working(house, writing(program)):
        await tell(house, "Watch orders")
        await waiting(house)
        for n in range(3):
            await orders.put(f"order {n}")
        while not any("order 2" in atom.content for atom in await chat.search()):
            await asyncio.sleep(0.02)
        move(house, hours=2)
        await waiting(house, 0)
    words = "\n".join([(await chat.get(c.atom)).content for c in await chat.changes() if c.author == "assistant"])
    assert re.findall(r"order \d|None", words) == ["order 0", "order 1", "order 2", "None"]


async def test_what_came_since_the_turn_was_told_counts(house: House) -> None:
    await seat(house)
    chat = house.spaces.open("chat")

    class Slow:
        """A model while which thinks something happens."""

        name = "slow"

        async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
            output = parse_output(messages[-1].text)
            if "Go" in messages[-1].text and output is None:
                await chat.put("meanwhile", metadata={"n": 1})
                yield code("print(wait_for('chat', metadata={'n': 1}).content)")
            elif output:
                yield f"It was {output[0]}."

    async with working(house, Slow()):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert answer.content == "It was meanwhile."


async def test_the_owner_s_answer_lets_a_program_go_on_and_nothing_is_blocked_meanwhile(house: House) -> None:
    await seat(house)
    await house.approvals.prepare()
    program = "amount = 40\nanswer = ask_owner('Pay?', choices=['pay it', 'never'])\nprint('You said', answer, amount)"
    async with working(house, writing(program, "print('hello')")):
        await tell(house, "Pay the bill")
        await waiting(house)
        await tell(house, "Hello")
        await said(house, 2)
        (question,) = await house.spaces.open("approvals").search()
        await house.approvals.answer(question.id, "1", OWNER)
        *_, answer = await said(house, 3)
    assert answer.content.strip() == "You said pay it 40"


@pytest.mark.parametrize("spoilt", ["executor", "seal", "key"])
async def test_a_state_that_cannot_be_trusted_is_not_loaded_and_the_program_runs_again_from_its_journal(
    house: House, spoilt: str
) -> None:
    await seat(house)
    first = "note = chat.put('once')\nprint('shown before')"
    second = "total = 1\nprint('also before')\nwait_until('in 1 hour')\nprint('woken', note.content, total + 1)"
    left = [code(first), code(second), ""]
    llm = ScriptedLLM(*left, lambda messages: messages[-1].text)
    async with working(house, llm):
        await tell(house, "Go")
        (id,) = await waiting(house)
    key = house.store.keys.programs("assistant")
    seal, about, state = unpack(await house.store.run("HGET", key, id))
    if spoilt == "key":
        (house.settings.home / "programs.key").unlink()
    elif spoilt == "seal":
        await house.store.run("HSET", key, id, pack([seal, about, b"forged" + state]))
    else:
        await house.store.run("HSET", key, id, pack([b"of another executor", about, state]))
    program = await Programs(house.store, house.settings.home).load("assistant", id)
    assert program
    assert program.image is None
    async with working(house, llm):
        move(house, hours=1)
        *_, told = await said(house, 2)
    output = parse_output(told.content)
    assert output == ("woken once 2", None)
    assert [c.comment for c in await house.spaces.open("chat").changes()].count("once") == 1


async def test_a_program_can_be_stopped(house: House) -> None:
    await seat(house)
    async with working(house, writing("wait_until('in 1 hour')\nprint('never')")):
        await tell(house, "Later")
        (id,) = await waiting(house)
    async with working(house, writing(f"stop_waiting('{id}')\nprint('stopped')", f"stop_waiting('{id}')")):
        await tell(house, "No, leave it")
        await said(house, 2)
        move(house, hours=2)
        await tell(house, "Again")
        *_, again = await said(house, 3)
    assert "may have gone on already" in again.content


async def test_what_was_taken_away_meanwhile_is_refused_when_the_program_goes_on(house: House) -> None:
    await seat(house)
    await house.spaces.create("plans")
    await house.spaces.open("plans").share("assistant", "write")
    program = (
        "plans.put('one')\nwait_until('in 1 hour')\n"
        "try:\n    plans.put('two')\nexcept PermissionError as error:\n    print('refused:', error)"
    )
    async with working(house, writing(program)):
        await tell(house, "Go")
        await waiting(house)
        await house.spaces.open("plans").revoke("assistant")
        move(house, hours=1)
        *_, refused = await said(house, 2)
    assert refused.content.startswith("refused:")
    assert [atom.content for atom in await house.spaces.open("plans").search()] == ["one"]


async def test_a_wait_in_a_space_that_is_taken_away_ends_with_an_error(house: House) -> None:
    await seat(house)
    await house.spaces.create("plans")
    await house.spaces.open("plans").share("assistant", "read")
    async with working(house, writing("wait_for('plans')")):
        await tell(house, "Go")
        await waiting(house)
        await house.spaces.open("plans").revoke("assistant")
        *_, told = await said(house, 2)
    assert "no space 'plans' that you may read" in told.content


@pytest.mark.parametrize(
    "call",
    [
        "wait_until('yesterday')",
        "wait_until('soonish')",
        "wait_until(5)",
        "wait_for('nowhere')",
        "wait_for('chat', metadata={'n': {'near': 5}})",
        "wait_for('chat', metadata='n')",
        "wait_for('chat', metadata={'n': None})",
        "wait_for('chat', timeout=-1)",
        "wait_for('chat', timeout='1 hour')",
        "stop_waiting('nothing')",
    ],
)
async def test_a_wait_that_cannot_be_is_an_error_the_agent_reads(house: House, call: str) -> None:
    await seat(house)
    async with working(house, writing(call)):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert "Error" in answer.content
    assert await Waits(house.spaces).of("assistant") == []


async def test_a_time_that_has_come_is_not_waited_for(house: House) -> None:
    await seat(house)
    async with working(house, writing("wait_until(now())\nprint('at once')")):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert answer.content.strip() == "at once"


async def test_nothing_is_asked_of_a_model_while_programs_wait(house: House) -> None:
    await seat(house)
    llm = writing("wait_until('in 48 hours')", "wait_for('chat', metadata={'n': 1})")
    async with working(house, llm, lease=0.3):
        for n in range(2):
            await tell(house, "Go")
            await said(house, n + 1)
        await waiting(house, 2)
        for _ in range(24):
            move(house, hours=1)
            await asyncio.sleep(0.03)
    assert len(llm.seen) == 4


@pytest.mark.parametrize(
    "wanted, fits",
    [
        ({}, True),
        ({"kind": "order"}, True),
        ({"kind": ["order", "offer"]}, True),
        ({"kind": ["offer"]}, False),
        ({"n": {"gte": 7, "lt": 8}}, True),
        ({"n": {"gt": 7}}, False),
        ({"n": 7.0}, True),
        ({"tags": "b"}, True),
        ({"tags": ["c", "b"]}, True),
        ({"tags": "c"}, False),
        ({"none": "x"}, False),
        ({"kind": {"lt": 5}}, False),
    ],
)
def test_metadata_pass_a_filter_as_in_a_search(wanted: Filter, fits: bool) -> None:
    check_conditions(wanted)
    assert passes_filter({"kind": "order", "n": 7, "tags": ["a", "b"]}, wanted) is fits
