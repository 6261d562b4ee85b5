"""A spawned agent works on its own with no more than it was given."""

import asyncio
import re
from collections.abc import Sequence

import pytest

from core.agents.spawning import Spawner, SpawnRequest
from core.atoms.atoms import Origin, Principal
from core.atoms.labels import Label
from core.atoms.permissions import Permission
from core.house import House
from core.models.llm import Message
from core.spaces.spaces import Actor
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working


def spawning(call: str) -> ScriptedLLM:
    """The assistant spawns with `call` and says what came of it; a spawned agent reports at once."""

    def reply(messages: Sequence[Message]) -> str:
        if messages[0].text.startswith("You are an agent."):
            return "The report."
        tail = messages[-1].text
        if "<output>" in tail:
            return tail
        if "report:" in tail:
            return "It says: The report."
        return f"```python\nchild = {call}\nprint(child.id)\n```"

    return ScriptedLLM(reply)


async def test_a_spawned_agent_gets_its_task_and_its_report_wakes_its_spawner(house: House) -> None:
    await seat(house)
    async with working(house, spawning('spawn(task="Find out")')):
        await tell(house, "Have someone find out")
        first, second = await said(house, 2)
    assert "agent-" in first.content
    assert second.content == "It says: The report."
    (child,) = [a for a in await house.agents.list() if a.id != "assistant"]
    room = house.spaces.open(f"dm-{child.id}")
    assert [c.comment for c in await room.changes() if c.operation == "put"] == [
        "task: Find out",
        "report: The report.",
    ]
    assert (child.spawner, child.task, child.speaks_in) == ("assistant", "Find out", room.id)


async def test_a_spawned_agent_holds_what_was_passed_on_and_nothing_else(house: House) -> None:
    await seat(house)
    await house.spaces.create("notes")
    await house.spaces.open("notes").share("assistant", "write")
    async with working(house, spawning('spawn(task="Read", spaces={"notes": "read"})')):
        await tell(house, "Go")
        await said(house, 2)
    (child,) = [a for a in await house.agents.list() if a.id != "assistant"]
    assert await house.spaces.held(child.principal) == {f"dm-{child.id}": Permission.WRITE, "notes": Permission.READ}
    await house.spaces.open("notes").revoke("assistant")
    assert await house.spaces.open("notes", Principal(child.id)).permission() == Permission.NONE


@pytest.mark.parametrize(
    ("call", "said_why"),
    [
        ('spawn(task="x", spaces={"chat": "grant"})', "spaces: you asked grant on 'chat'"),
        ('spawn(task="x", spaces={"diary": "read"})', "spaces: you asked read on 'diary'"),
        ('spawn(task="x", spaces={"chat": "admin"})', "Unknown permission 'admin'"),
        ('spawn(task="x", tools=["send_email"])', "tools: you asked for send_email and hold none"),
        ('spawn(task="x", secrets=["BANK"])', "secrets: you asked for BANK and hold none"),
        ('spawn(task="x", model="openai/gpt-5")', "model: you asked for 'openai/gpt-5' and may use 'offline'"),
        ('spawn(task=" ")', "task: say in a sentence"),
        ("spawn(role='researcher')", "spawn: .* Call it as spawn"),
    ],
)
async def test_what_is_wider_than_the_spawner_is_refused_by_name_and_nobody_is_born(
    house: House, call: str, said_why: str
) -> None:
    await seat(house)
    await house.spaces.create("diary")
    async with working(house, spawning(call)):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert re.search(said_why, answer.content)
    assert [a.id for a in await house.agents.list()] == ["assistant"]


async def test_a_person_is_answered_while_a_spawned_agent_works(house: House) -> None:
    await seat(house)

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        if messages[0].text.startswith("You are an agent."):
            return "Done at last." if "<output>" in tail else "```python\nsleep(30)\n```"
        if "<output>" in tail:
            return "It is on its way."
        if "report:" in tail:
            return "It is done."
        return "```python\nspawn(task='take 30 seconds')\n```" if "background" in tail else "Four."

    async with working(house, ScriptedLLM(reply)):
        await tell(house, "Do this in the background")
        await said(house)
        await tell(house, "What is two and two?")
        assert [a.content for a in await said(house, 2)] == ["It is on its way.", "Four."]
        done = asyncio.create_task(said(house, 3))
        while not done.done():
            house.clock.move(seconds=10)  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
    assert done.result()[2].content == "It is done."


async def test_an_agent_spawned_after_reading_outside_text_has_its_convention_and_an_outside_task(house: House) -> None:
    await seat(house)
    label = Label()
    label.heard("tool read_letters")
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "Report in the end.")
    child = await spawner.spawn(Actor(Principal("assistant"), label=label), SpawnRequest("Do as the letters say"))
    convention = house.store.reading("stoa_convention", child.space, child.id)
    assert await house.store.run(*convention) == b"Report in the end."
    (task,) = await house.spaces.open(child.space).search()
    assert task.label is Origin.OUTSIDE
