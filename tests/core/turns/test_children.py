"""Spaces made by agents, and the objects `coordinator` and `agents`, in the real sandbox."""

import re
from collections.abc import Callable, Sequence

import pytest

from core.house import House
from core.models.llm import Message
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working


def acting(code: str, child: Callable[[str], str] = lambda tail: "The report.") -> ScriptedLLM:
    """The assistant runs `code` once and says what it printed; a spawned agent says what `child` answers."""

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        if messages[0].text.startswith("You are an agent."):
            return child(tail)
        if "<output>" in tail:
            return tail.partition("<output>\n")[2].partition("\n</output>")[0]
        return f"```python\n{code}\n```" if "Go" in tail else ""

    return ScriptedLLM(reply)


async def printed(house: House, code: str, child: Callable[[str], str] = lambda tail: "The report.") -> str:
    await seat(house)
    async with working(house, acting(code, child)):
        await tell(house, "Go")
        (answer,) = await said(house)
    return answer.content


async def test_an_agent_creates_a_space_and_uses_it_in_the_same_program(house: House) -> None:
    code = (
        'made = create_space("findings", "One finding per atom.")\n'
        'made.put("Tea is grown in Assam.")\n'
        'spaces["findings"].put("Coffee is not.")\n'
        'print(made.name, len(made.search()), "findings" in spaces)'
    )
    assert await printed(house, code) == "findings 2 True"
    findings = house.spaces.open("findings")
    assert await findings.description() == "One finding per atom."
    assert await house.spaces.readers("findings") == ["assistant"]


async def test_a_space_made_in_one_step_is_there_by_its_name_in_the_next(house: House) -> None:
    code = 'create_space("plans")\n```\n```python\nplans.put("Go north.")\nprint(plans.search()[0].content)'
    assert await printed(house, code) == "Go north."


async def test_a_space_made_twice_is_the_same_one(house: House) -> None:
    code = 'create_space("plans", "A")\nprint(create_space("plans", "B").name)'
    assert await printed(house, code) == "plans"
    assert await house.spaces.open("plans").description() == "A"


async def test_an_agent_shares_and_describes_what_it_made_and_takes_it_back(house: House) -> None:
    code = (
        'made = create_space("plans")\nmade.describe("Plans.")\nmade.share("bob", "append")\n'
        'made.share("eve", "read")\nmade.revoke("eve")\nprint("done")'
    )
    assert await printed(house, code) == "done"
    assert await house.spaces.readers("plans") == ["assistant", "bob"]
    assert await house.spaces.open("plans").description() == "Plans."


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ('create_space("chat")', "choose another name"),
        ('create_space("My Plans")', "cannot be a space's name"),
        ('create_space("dm-agent-1")', "take another"),
        ('create_space("plans", convention="task list")', "write a description instead"),
        ("create_space()", "create_space: .* Call it as create_space"),
        ('agents.stop("assistant")', "is a coordinator"),
        ('agents.tell("assistant", "hi")', "was spawned by owner, not by you"),
        ('agents.result("nobody")', "There is no agent 'nobody'"),
        ('agents.fire("nobody")', "'fire' is not allowed on 'agents'; you may use list, result, stop, tell"),
    ],
)
async def test_what_cannot_be_done_is_told_with_what_to_do_instead(house: House, code: str, why: str) -> None:
    assert re.search(why, await printed(house, f"try:\n    {code}\nexcept Exception as error:\n    print(error)"))


async def test_the_bytes_of_a_new_space_are_taken_from_the_budget(house: House) -> None:
    code = 'create_space("plans", "x" * 1000)\nprint("made")'
    assert await printed(house, code) == "made"
    (account,) = await house.budgets.accounts(["agent:assistant"])
    assert account.used.bytes >= 21_000


async def test_a_coordinator_spawns_and_lists_and_takes_the_result(house: House) -> None:
    code = (
        'child = coordinator.spawn(task="Count to three")\n'
        "print([one.task for one in agents.list()])\n"
        'print("it says:", agents.result(child.id))\n'
    )
    await seat(house)
    async with working(house, acting(code, lambda tail: "One, two, three.")):
        await tell(house, "Go")
        first, then = await said(house, 2)
    assert "['Count to three']" in first.content
    assert "it says: One, two, three." in then.content


async def test_what_is_told_to_an_agent_wakes_it_and_its_next_report_is_the_result(house: House) -> None:
    code = (
        'child = spawn("Say hello")\nagents.result(child, timeout=60)\n'
        'agents.tell(child, "Now say goodbye")\nprint("then:", agents.result(child, timeout=60))\n'
    )
    await seat(house)
    llm = acting(code, lambda tail: "Goodbye." if "goodbye" in tail else "Hello.")
    async with working(house, llm):
        await tell(house, "Go")
        found = await said(house, 2)
    assert any("then: Goodbye." in atom.content for atom in found)


async def test_an_agent_that_is_stopped_has_no_result(house: House) -> None:
    code = 'child = spawn("Wait")\nprint(agents.stop(child) == [child.id], agents.result(child), agents.list())'
    assert await printed(house, code, lambda tail: "") == "True None []"


async def test_help_tells_all_about_a_method_of_an_object(house: House) -> None:
    answer = await printed(house, 'print(help("agents.result"))')
    assert answer.startswith("agents.result(agent, timeout=None): An agent's report on what you told it last.")
