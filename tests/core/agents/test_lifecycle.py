"""An agent ends when who spawned it or the owner says so, or when nobody needs it: its rights go, its atoms stay."""

import asyncio
from collections.abc import Sequence

import pytest

from core.agents.spawning import Spawner, SpawnRequest
from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.errors import InvalidInput, PermissionDenied
from core.house import House
from core.models.llm import Message
from core.spaces.spaces import Actor
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working


async def family(house: House) -> tuple[str, str]:
    """The assistant's child and grandchild, who may write notes."""
    await seat(house)
    await house.spaces.create("notes")
    await house.spaces.open("notes").share("assistant", Permission.WRITE)
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    child = await spawner.spawn(Actor(Principal("assistant")), SpawnRequest("Work", spaces={"notes": "write"}))
    grandchild = await spawner.spawn(Actor(Principal(child.id)), SpawnRequest("Work, too", spaces={"notes": "write"}))
    return child.id, grandchild.id


async def test_an_end_takes_all_that_was_spawned_with_it_and_leaves_what_they_wrote(house: House) -> None:
    child, grandchild = await family(house)
    written = await house.spaces.open("notes", Principal(grandchild)).put("found it")
    assert await house.lifecycle.end(child) == [child, grandchild]
    assert [agent.id for agent in await house.agents.list()] == ["assistant"]
    for agent in (child, grandchild):
        assert (await house.agents.get(agent)).status == "dead"
        assert await house.spaces.held(Principal(agent)) == {}
        assert await house.spaces.open("notes", Principal(agent)).permission() == Permission.NONE
        left = [key async for key in _keys(house, f"*{{{agent}}}*")]
        assert left == [house.store.keys.agent(agent)]
    assert (await house.spaces.open("notes").get(written.id)).content == "found it"
    assert await house.lifecycle.end(child) == []


async def _keys(house: House, pattern: str):  # type: ignore[no-untyped-def]
    for key in await house.store.run("KEYS", f"{house.settings.namespace}:{pattern}"):
        yield key.decode()


async def test_only_the_owner_and_those_above_may_end_an_agent(house: House) -> None:
    child, grandchild = await family(house)
    with pytest.raises(PermissionDenied, match=f"{grandchild} did not spawn {child}; assistant did"):
        await house.lifecycle.end(child, Principal(grandchild))
    with pytest.raises(InvalidInput, match="assistant is a coordinator"):
        await house.lifecycle.end("assistant")
    assert await house.lifecycle.end(grandchild, Principal("assistant")) == [grandchild]


async def test_a_spawner_that_did_not_end_it_is_told(house: House) -> None:
    child, _ = await family(house)
    await house.lifecycle.end(child)
    comments = [change.comment for change in await house.spaces.open(f"dm-{child}").changes()]
    assert f"ended: {child}" in comments


async def test_an_agent_can_end_whom_it_spawned(house: House) -> None:
    await seat(house)

    def reply(messages: Sequence[Message]) -> str:
        if messages[0].text.startswith("You are an agent."):
            return "The report."
        tail = messages[-1].text
        if "<output>" in tail:
            return "It has ended." if "['agent-" in tail else ""
        if "report:" in tail:
            return "```python\nprint(agents.stop(change.author))\n```"
        return "```python\nspawn(task='find out')\n```"

    async with working(house, ScriptedLLM(reply)):
        await tell(house, "Go")
        assert [answer.content for answer in await said(house)] == ["It has ended."]
        while len(await house.agents.list()) > 1:
            await asyncio.sleep(0.01)


async def test_an_end_bites_in_a_running_turn(house: House) -> None:
    child, _ = await family(house)
    thinking, go = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedLLM):
        async def reply(self, messages):  # type: ignore[no-untyped-def]
            thinking.set()
            await go.wait()
            async for piece in super().reply(messages):
                yield piece

    def reply(messages: Sequence[Message]) -> str:
        spawned = messages[0].text.startswith("You are an agent.")
        return "```python\nnotes.put('too late')\n```" if spawned else "I see."

    async with working(house, Slow(reply), lease=0.4):
        await thinking.wait()
        await house.lifecycle.end(child)
        go.set()
        await tell(house, "Hello")
        while (await house.notifications.cursor("assistant", "chat") or 0) < await house.spaces.open("chat").newest():
            await asyncio.sleep(0.02)
    assert await house.spaces.open("notes").search("") == []
    (root,) = await house.store.run("ZRANGE", house.store.keys.roots(), 0, 0)
    (account,) = await house.budgets.accounts([f"root:{root.decode()}"])
    assert (account.held.tokens, account.held.seconds) == (0, 0)


async def test_agents_that_nobody_wakes_for_days_end_and_those_that_watch_a_space_stay(house: House) -> None:
    child, grandchild = await family(house)
    await house.spaces.open("notes", Principal(child)).subscribe()
    house.clock.move(days=6)  # type: ignore[attr-defined]
    assert await house.lifecycle.end_idle() == []
    house.clock.move(days=2)  # type: ignore[attr-defined]
    llm = ScriptedLLM()
    before = await house.spaces.open(f"dm-{grandchild}").newest()
    assert await house.lifecycle.end_idle() == [grandchild]
    assert {agent.id for agent in await house.agents.list()} == {"assistant", child}
    puts = [c for c in await house.spaces.open(f"dm-{grandchild}").changes(before) if c.operation == "put"]
    assert (puts, llm.seen) == ([], [])


async def test_who_has_ended_spawns_nobody(house: House) -> None:
    child, _ = await family(house)
    await house.lifecycle.end(child)
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    with pytest.raises(PermissionDenied, match="has ended"):
        await spawner.spawn(Actor(Principal(child)), SpawnRequest("More"))


async def test_the_spawner_of_an_agent_that_never_begins_is_told_once(house: House) -> None:
    child, grandchild = await family(house)
    assert await house.lifecycle.report_stalled() == []
    house.clock.move(seconds=61)  # type: ignore[attr-defined]
    assert sorted(await house.lifecycle.report_stalled()) == sorted([child, grandchild])
    assert await house.lifecycle.report_stalled() == []
    (told,) = await house.spaces.open(f"dm-{child}", Principal("assistant")).search(metadata={"kind": "stalled"})
    assert told.content == f"{child} has had no turn since it was spawned, 61 s ago."


async def test_an_agent_that_had_a_turn_is_not_reported(house: House) -> None:
    await seat(house)

    def reply(messages: Sequence[Message]) -> str:
        if messages[0].text.startswith("You are an agent."):
            return "The report."
        return "```python\nspawn(task='find out')\n```" if "Go" in messages[-1].text else "I see."

    async with working(house, ScriptedLLM(reply)):
        await tell(house, "Go")
        await said(house, 2)
    house.clock.move(seconds=61)  # type: ignore[attr-defined]
    assert await house.lifecycle.report_stalled() == []
