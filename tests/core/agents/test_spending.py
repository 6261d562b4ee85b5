"""What was spent can be looked up: by day, by first cause, by agent and by model, with the turns that said nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from core.agents.budgets import Allowance, Amounts
from core.agents.spending import Spending, Spent
from core.atoms.atoms import Principal
from core.house import House
from core.models.llm import Message, Usage
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working


class Priced:
    """A scripted model each of whose replies takes 100 tokens, 60 of them cached, and 20 more, for a cent."""

    name = "priced"

    def __init__(self, *script: str) -> None:
        self.script = ScriptedLLM(*script)

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        async for piece in self.script.reply(messages):
            yield piece
        yield Usage(self.name, 100, 20, 60, 0.01)


async def spent_turns(house: House, turns: int) -> Spending:
    """The tables, once so many turns are in them."""
    spending = Spending(house.budgets, house.spaces)
    async with asyncio.timeout(20):
        while sum(day.turns for day in await spending.by_day(30)) < turns:
            await asyncio.sleep(0.01)
    return spending


async def test_a_turn_is_in_the_tables_of_its_day_its_cause_its_agent_and_its_model(house: House) -> None:
    await seat(house)
    async with working(house, Priced("```python\nprint(1)\n```", "Hello.")):
        asked = await tell(house, "Hello there")
        await said(house)
        spending = await spent_turns(house, 1)
    found = {"turns": 1, "calls": 2, "prompt": 200, "completion": 40, "cached": 120, "dollars": 0.02}
    assert await spending.by_day(30) == [Spent("2026-11-22", **found)]  # type: ignore[arg-type]
    assert await spending.by_agent(1) == [Spent("assistant", **found)]  # type: ignore[arg-type]
    assert await spending.by_model(1) == [Spent("priced", **found)]  # type: ignore[arg-type]
    (root,) = await spending.by_root(10)
    (change,) = [change for change in await house.spaces.open("chat").changes() if change.atom == asked.id]
    assert (root.name, root.turns, root.tokens, root.words) == (f"chat/{change.seq}", 1, 240, "Hello there")


async def test_turns_that_say_nothing_are_counted_as_such(house: House) -> None:
    await seat(house)
    await house.spaces.create("news")
    await house.spaces.open("news").share("assistant", "read")
    await house.spaces.open("news").share("ann", "append")
    await house.spaces.open("news", Principal("assistant")).subscribe()
    async with working(house, Priced("", "```python\nnow()\n```", "")):
        for n in range(2):
            await house.spaces.open("news", Principal("ann")).put("nothing of interest")
            spending = await spent_turns(house, n + 1)
    (agent,) = await spending.by_agent(1)
    assert (agent.turns, agent.silent, agent.calls) == (2, 2, 3)


async def test_days_that_lie_too_far_back_are_left_out(house: House) -> None:
    await seat(house)
    async with working(house, Priced("One.", "Two.")):
        await tell(house, "Hello")
        await said(house)
        await spent_turns(house, 1)
        house.clock.move(days=3)  # type: ignore[attr-defined]
        await tell(house, "Hello")
        await said(house, 2)
        spending = await spent_turns(house, 2)
    assert [day.name for day in await spending.by_day(30)] == ["2026-11-25", "2026-11-22"]
    assert [(day.name, day.turns) for day in await spending.by_day(3)] == [("2026-11-25", 1)]
    assert [agent.turns for agent in await spending.by_agent(3)] == [1]


async def test_the_causes_remembered_are_the_newest_thousand(house: House) -> None:
    def purse(n: int) -> Allowance:
        return house.budgets.purse("ann", (), f"chat/{n}", f"t{n}", house.clock.now(), 1)

    for n in range(1010):
        house.clock.move(seconds=1)  # type: ignore[attr-defined]
        await purse(n).begin()
    names = await house.store.run("ZRANGE", house.store.keys.roots(), 0, -1)
    assert (names[0], names[-1], len(names)) == (b"chat/10", b"chat/1009", 1000)
    (account,) = await house.budgets.accounts(["agent:ann"])
    assert account.used == Amounts(turns=1010)
