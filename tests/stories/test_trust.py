"""Agents ask before they do what they may not; you answer with a key, and nothing is forgotten over a power cut."""

import json
from pathlib import Path

from tests.stories.people import someone_at, stoa


async def test_the_assistant_asks_for_what_it_may_not_read_and_goes_on_when_you_say_yes(tmp_path: Path) -> None:
    await stoa(tmp_path, "space", "create", "diary")
    await stoa(tmp_path, "space", "put", "diary", "The door code is 4711.")
    async with someone_at(tmp_path) as person:
        person.type("look for the door code in the space diary")
        await person.until("I need to read “diary”", seconds=90)
        await person.until("1. Yes, once")
        await person.until("Answer with a number or a word", seconds=90)
        await person.pull_the_plug()
    async with someone_at(tmp_path) as person:
        await person.until("I need to read “diary”", seconds=90)
        await person.until("Answer with a number or a word", seconds=90)
        person.type("once")
        await person.until("4711", seconds=90)
        await person.leave()
    audit = json.loads(await stoa(tmp_path, "space", "show", "audit", "--json"))
    assert [atom["metadata"]["kind"] for atom in audit] == ["request", "approval", "grant", "use"]
    assert not [g for g in json.loads(await stoa(tmp_path, "grant", "list", "--json")) if g["space"] == "diary"]


async def test_an_agent_asks_its_spawner_which_asks_you_and_what_you_gave_can_be_taken_back(tmp_path: Path) -> None:
    await stoa(tmp_path, "space", "create", "diary")
    await stoa(tmp_path, "space", "put", "diary", "The door code is 4711.")
    async with someone_at(tmp_path) as person:
        person.type("have an agent look for the door code in the space diary")
        await person.until("needs to read “diary”", seconds=90)
        await person.until("2. Yes, for this task")
        await person.until("Answer with a number or a word", seconds=90)
        (waiting,) = json.loads(await stoa(tmp_path, "approval", "list", "--json"))
        assert waiting["choices"]["no"] == "No"
        person.type("2")
        await person.until("4711", seconds=90)
        (given,) = [g for g in json.loads(await stoa(tmp_path, "grant", "list", "--json")) if g["space"] == "diary"]
        assert (given["to"], given["giver"], given["scope"]) == (waiting["asker"], "owner", "task")
        await stoa(tmp_path, "grant", "revoke", given["id"])
        assert "diary" not in {g["space"] for g in json.loads(await stoa(tmp_path, "grant", "list", "--json"))}
        await person.leave()


async def test_a_no_is_told_and_the_same_is_not_asked_again(tmp_path: Path) -> None:
    await stoa(tmp_path, "space", "create", "diary")
    async with someone_at(tmp_path) as person:
        person.type("look for the door code in the space diary")
        await person.until("Answer with a number or a word", seconds=90)
        person.type("no")
        await person.until("because the owner said no", seconds=90)
        person.type("look for the door code in the space diary")
        await person.until("was denied within the last hour", seconds=90)
        await person.leave()
