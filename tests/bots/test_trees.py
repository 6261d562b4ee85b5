"""Who spawned whom, what it cost and why an atom is as it is, as a person reads it on the command line."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.agents.spawning import Spawner, SpawnRequest
from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import load
from core.spaces.spaces import Actor
from core.testing import ScriptedLLM
from tests.core.mortal_worker import Flat
from tests.core.scenes import said, seat, tell, working


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house in a data directory of its own, where the command line finds it."""
    async with EmbeddedRedis(tmp_path) as server:
        settings = load(home=tmp_path, timezone="Europe/Paris")
        async with open_house(settings, server.url, embedder=Flat()) as house:
            yield house


def stoa(home: Path, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STOA_") and name != "REDIS_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "bots", *arguments],
        capture_output=True,
        text=True,
        env={**kept, "STOA_HOME": str(home), "STOA_TIMEZONE": "Europe/Paris"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_tree_names_what_for_with_which_rights_and_at_what_price(house: House) -> None:
    home = house.settings.home
    await seat(house, tools=("web_search",))
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    purse = house.budgets.purse("assistant", (), "chat/1", "t1", house.clock.now(), 1)
    child = await spawner.spawn(
        Actor(Principal("assistant")),
        SpawnRequest("Find out", spaces={"chat": "read"}, budget={"turns": 3}),
        purse=purse,
    )
    lines = stoa(home, "agent", "tree").splitlines()
    assert lines == [
        "owner",
        "└─ assistant  a coordinator",
        f"   │  may: chat (write), {child.space} (write); tools web_search",
        "   │  spent: 0 turns, 1 spawn, 0 tokens, $0.0000",
        f"   └─ {child.id}  Find out",
        f"         may: chat (read), {child.space} (write)",
        "         at most: 3 turns",
        "         spent: 0 turns, 0 spawns, 0 tokens, $0.0000",
    ]
    (owned,) = await house.agents.rights.all(["assistant"])
    (given,) = [grant for grant in owned.grants if grant.kind == "tool"]
    await house.agents.rights.take(given)
    assert f"chat (write), {child.space} (write)\n" in stoa(home, "agent", "tree")
    assert stoa(home, "agent", "end", child.id) == f"Ended: {child.id}.\n"
    assert [agent["id"] for agent in json.loads(stoa(home, "agent", "tree", "--json"))] == ["assistant"]


async def test_why_goes_back_to_the_message_and_cost_adds_up(house: House) -> None:
    home = house.settings.home
    await seat(house)
    await house.spaces.create("notes")
    await house.spaces.open("notes").share("assistant", Permission.WRITE)
    async with working(house, ScriptedLLM("```python\nprint(notes.put('noted').id)\n```", "Done.")):
        asked = await tell(house, "Note it")
        await said(house)
        while await house.store.run("EXISTS", house.store.keys.lease("assistant")):
            await asyncio.sleep(0.01)
    (note,) = await house.spaces.open("notes").search("")
    told = stoa(home, "why", note.ref)
    assert told.index(note.ref) < told.index(f"because of\n{asked.ref}  'Note it'")
    assert "assistant, spawned by owner: a coordinator\n   may: chat (write), notes (write)" in told
    assert "all that follows from chat/" in told
    assert "scripted" in stoa(home, "cost", "--by", "model")
    (root,) = json.loads(stoa(home, "cost", "--by", "root", "--json"))
    assert (root["turns"], root["words"]) == (1, "Note it")
    assert "1 of 9 turns" in stoa(home, "budget", "allow", root["name"], "--turns", "9")
    assert "1 of 9 turns" in stoa(home, "budget", "list")


async def test_a_limit_that_is_used_up_already_is_told_with_what_comes_of_it(house: House) -> None:
    home = house.settings.home
    await seat(house)
    purse = house.budgets.purse("assistant", (), "chat/1", "t1", house.clock.now(), 1)
    await purse.begin()
    assert stoa(home, "budget", "allow", "assistant", "--turns", "2").splitlines() == ["agent  assistant  1 of 2 turns"]
    assert ["agent", "assistant", "1", "of", "2", "turns"] in [
        line.split() for line in stoa(home, "budget", "list").splitlines()
    ]
    told = stoa(home, "budget", "allow", "assistant", "--turns", "1", "--spawns", "3")
    assert told.splitlines()[1:] == [
        "That is used up already: assistant will not answer until you allow more turns than 1: "
        "`stoa budget allow assistant --turns NUMBER`."
    ]
    assert "what follows from chat/1 will not answer until" in stoa(home, "budget", "allow", "chat/1", "--turns", "0")
