"""You ask to be reminded of something, and you are: by two coordinators who talk through a space."""

import json
from pathlib import Path

from tests.stories.people import someone_at, stoa


async def test_a_reminder_goes_its_seven_steps_and_survives_a_power_cut(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("remind me in 6 seconds to review the Q3 report")
        confirmed = await person.until("I'll remind you")
        assert "review the Q3 report" in confirmed
        assert "today at " in confirmed or "tomorrow at " in confirmed
        await person.pull_the_plug()
    async with someone_at(tmp_path) as person:
        reminded = await person.until("Reminder: it is time to review the Q3 report")
        rest = await person.leave()
    assert not [line for line in [*rest, *person.read] if "Reminder:" in line and line != reminded]
    trail = json.loads(await stoa(tmp_path, "space", "show", "bus", "--json"))
    assert [(atom["author"], atom["metadata"]["kind"]) for atom in trail] == [
        ("assistant", "reminder wanted"),
        ("scheduler", "reminder set"),
        ("scheduler", "reminder due"),
    ]
    (asked, *_, reminder) = json.loads(await stoa(tmp_path, "space", "show", "chat", "--json"))
    assert all(f"chat/{asked['id']}" in atom["references"]["about"] for atom in trail)
    *_, origin = json.loads(await stoa(tmp_path, "why", f"chat/{reminder['id']}", "--json"))
    assert origin["atom"] == f"chat/{asked['id']}"


async def test_what_you_said_is_found_again_and_tasks_are_kept(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("remind me tomorrow at 9am to review the Q3 report")
        await person.until("I'll remind you tomorrow at 09:00: review the Q3 report")
        person.type("what did I want to review?")
        await person.until("review the Q3 report")
        person.type("note that the wifi password is swordfish")
        await person.until("the wifi password is swordfish")
        person.type("add buy milk to my tasks")
        await person.until("buy milk")
        person.type("what is on my list?")
        await person.until("- buy milk")
        person.type("mark buy milk as done")
        await person.until("Done: buy milk")
        person.type("list my tasks")
        await person.until("no open tasks")
        await person.leave()


async def test_you_are_answered_while_an_agent_works_in_the_background(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("keep an eye on my tasks for 15 seconds and tell me what changed")
        await person.until("15 seconds")
        person.type("add water the plants to my tasks")
        await person.until("Added to your tasks: water the plants")
        person.type("what is on my list?")
        await person.until("- water the plants")
        await person.until("water the plants", seconds=60)
        await person.leave()
