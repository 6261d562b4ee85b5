"""Who spawned whom, what it cost and why an atom is as it is, as a person reads it on the command line."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from core.agents.spawning import Spawner, SpawnRequest
from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.house import House, open_house
from core.settings import load
from core.spaces.spaces import Actor
from core.testing import ScriptedLLM
from tests.bots.conftest import CommandLine, environment
from tests.core.mortal_worker import Flat
from tests.core.scenes import said, seat, tell, working


@pytest.fixture
async def house(stoa: CommandLine, tmp_path: Path) -> AsyncIterator[House]:
    """A house on the data that the command line finds."""
    with environment(stoa.environment(tmp_path)):
        settings = load()
    async with open_house(settings, stoa.redis_url, embedder=Flat()) as house:
        yield house


Ask = Callable[..., Awaitable[str]]


@pytest.fixture
def ask(stoa: CommandLine, tmp_path: Path) -> Ask:
    """What a command prints, run beside the house."""

    async def ask(*words: str) -> str:
        done = await asyncio.to_thread(stoa, tmp_path, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask


async def test_the_tree_names_what_for_with_which_rights_and_at_what_price(house: House, ask: Ask) -> None:
    await seat(house, tools=("web_search",))
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    purse = house.budgets.purse("assistant", (), "chat/1", "t1", house.clock.now(), 1)
    child = await spawner.spawn(
        Actor(Principal("assistant")),
        SpawnRequest("Find out", spaces={"chat": "read"}, budget={"turns": 3}),
        purse=purse,
    )
    lines = (await ask("agent", "tree")).splitlines()
    assert lines == [
        "owner",
        "└─ assistant  coordinator",
        f"   │  may use: chat (write), {child.space} (write); tools web_search",
        "   │  at most: 2,000,000,000 bytes",
        "   │  spent: 0 turns, 1 spawn, 0 tokens, $0.0000",
        f"   └─ {child.id}  Find out",
        f"         may use: chat (read), {child.space} (write)",
        "         at most: 2,000,000,000 bytes, 3 turns",
        "         spent: 0 turns, 0 spawns, 0 tokens, $0.0000",
    ]
    (owned,) = await house.agents.rights.all(["assistant"])
    (given,) = [grant for grant in owned.grants if grant.kind == "tool"]
    await house.agents.rights.take(given)
    assert f"chat (write), {child.space} (write)\n" in await ask("agent", "tree")
    assert await ask("agent", "end", child.id) == f"Ended: {child.id}.\n"
    assert [agent["id"] for agent in json.loads(await ask("agent", "tree", "--json"))] == ["assistant"]


async def test_why_goes_back_to_the_message_and_cost_adds_up(house: House, ask: Ask) -> None:
    await seat(house)
    await house.spaces.create("notes")
    await house.spaces.open("notes").share("assistant", Permission.WRITE)
    async with working(house, ScriptedLLM("```python\nprint(notes.put('noted').id)\n```", "Done.")):
        asked = await tell(house, "Note it")
        await said(house)
        while await house.store.run("EXISTS", house.store.keys.lease("assistant")):
            await asyncio.sleep(0.01)
    (note,) = await house.spaces.open("notes").search("")
    told = await ask("why", note.ref)
    assert told.index(note.ref) < told.index(f"because of\n{asked.ref}  'Note it'")
    assert "assistant, spawned by owner: coordinator\n   may use: chat (write), notes (write)" in told
    assert "Everything that followed from chat/" in told
    assert "scripted" in await ask("cost", "--by", "model")
    (root,) = json.loads(await ask("cost", "--by", "root", "--json"))
    assert (root["turns"], root["words"]) == (1, "Note it")
    assert "1 of 9 turns" in await ask("budget", "allow", root["name"], "--turns", "9")
    assert "1 of 9 turns" in await ask("budget", "list")


async def test_a_limit_that_is_used_up_already_is_told_with_what_comes_of_it(house: House, ask: Ask) -> None:
    await seat(house)
    purse = house.budgets.purse("assistant", (), "chat/1", "t1", house.clock.now(), 1)
    await purse.begin()
    assert (await ask("budget", "allow", "assistant", "--turns", "2")).splitlines() == [
        "agent  assistant  1 of 2 turns, 0 of 2,000,000,000 bytes"
    ]
    assert ["agent", "assistant", "1", "of", "2", "turns,", "0", "of", "2,000,000,000", "bytes"] in [
        line.split() for line in (await ask("budget", "list")).splitlines()
    ]
    told = await ask("budget", "allow", "assistant", "--turns", "1", "--spawns", "3")
    assert told.splitlines()[1:] == [
        "That is used up already: assistant won't answer until you allow more turns than 1: "
        "`stoa budget allow assistant --turns NUMBER`."
    ]
    assert "agents working on chat/1 won't answer until" in await ask("budget", "allow", "chat/1", "--turns", "0")
