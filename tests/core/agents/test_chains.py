"""Why an atom is as it is can be told, back to the message that began it all."""

import asyncio
from collections.abc import Sequence

import pytest

from core.agents.traces import origin_steps, traces
from core.atoms.atoms import HOUSE
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound
from core.house import House
from core.models.llm import Message
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working


async def over(house: House) -> None:
    """Return when the assistant's turn is."""
    while await house.store.run("EXISTS", house.store.keys.lease("assistant")):
        await asyncio.sleep(0.01)


async def test_the_chain_goes_from_an_atom_over_turns_and_agents_to_the_first_message(house: House) -> None:
    await seat(house)
    await house.spaces.create("notes")
    await house.spaces.open("notes").share("assistant", Permission.WRITE)
    known = await house.spaces.open("notes").put("what was known before")

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        if messages[0].text.startswith("You are an agent."):
            read = f"notes.get('{known.id}')"
            return "Done." if "<output>" in tail else f"```python\n{read}\nnotes.put('what was found')\n```"
        if "<output>" in tail:
            return ""
        return "It is found." if "report:" in tail else "```python\nspawn(task='find', spaces={'notes': 'write'})\n```"

    async with working(house, ScriptedLLM(reply)):
        asked = await tell(house, "Find out")
        await said(house)
    found = next(atom for atom in await house.spaces.open("notes").search("") if atom.content == "what was found")
    written, task, message = await origin_steps(house.spaces, house.agents, found.ref)
    assert written.agent
    assert written.trace
    assert written.agent.spawner == "assistant"
    assert written.trace.read == [known.ref]
    assert written.trace.calls == 2
    assert (task.atom.content, task.version.author, task.atom.ref) == ("find", "assistant", written.trace.news[0])
    assert task.trace
    assert task.trace.root == written.trace.root
    assert (message.atom.ref, message.version.author, message.agent) == (asked.ref, "owner", None)


async def test_what_was_changed_later_is_told_by_the_time_of_the_turn(house: House) -> None:
    await seat(house)
    llm = ScriptedLLM("```python\nchat.update(change.id, comment='mended', content='better')\n```", "Done.")
    async with working(house, llm):
        asked = await tell(house, "draft")
        await said(house)
        await over(house)
    first, *_ = await origin_steps(house.spaces, house.agents, asked.ref)
    assert (first.version.version, first.version.comment) == (2, "mended")
    assert first.trace
    assert first.trace.news == [asked.ref]


async def test_what_stoa_does_by_itself_goes_back_to_what_an_agent_did_before(house: House) -> None:
    await seat(house)
    notes = await house.spaces.create("notes")
    for principal in ("assistant", HOUSE.id):
        await notes.share(principal, Permission.WRITE)
    async with working(house, ScriptedLLM("```python\nnotes.put('tea')\n```", "Done.")):
        asked = await tell(house, "Note tea")
        await said(house)
        await over(house)
    (tea,) = await notes.search("")
    await house.spaces.open("notes", HOUSE).update(tea.id, comment="due", metadata={"status": "due"})
    about = await house.spaces.open("notes", HOUSE).put("tea is due", references={"about": [tea.ref]})
    steps = await origin_steps(house.spaces, house.agents, about.ref)
    assert [(step.atom.ref, step.version.version, step.version.author) for step in steps] == [
        (about.ref, 1, "house"),
        (tea.ref, 2, "house"),
        (tea.ref, 1, "assistant"),
        (asked.ref, 1, "owner"),
    ]


async def test_the_traces_of_an_agent_are_bounded(house: House) -> None:
    await seat(house)
    async with working(house, ScriptedLLM(lambda _: "Yes.")):
        for n in range(3):
            await tell(house, "Hello")
            await said(house, n + 1)
    (kept,) = await traces(house.store, ["assistant"])
    assert [trace.calls for trace in kept][:2] == [1, 1]
    await house.store.run("LPUSH", house.store.keys.traces("assistant"), *([b"x"] * 300))
    async with working(house, ScriptedLLM("Yes.")):
        await tell(house, "Hello")
        await said(house, 4)
        await over(house)
    assert await house.store.run("LLEN", house.store.keys.traces("assistant")) == 200


async def test_what_is_not_there_is_said_so(house: House) -> None:
    await house.spaces.create("notes")
    with pytest.raises(NotFound):
        await origin_steps(house.spaces, house.agents, "notes/nothere")
    with pytest.raises(InvalidInput, match="does not name an atom; write SPACE/ATOM"):
        await origin_steps(house.spaces, house.agents, "nothere")
