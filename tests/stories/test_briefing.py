"""A briefing in the morning, assembled by agents with narrowed access; the built-in model at work on every part."""

import pytest

from bots.briefing import briefing_off, briefing_on
from core.errors import InvalidInput
from core.house import House
from tests.conventions.conftest import Person, embedder, person

__all__ = ["embedder", "person"]


async def test_a_briefing_is_gathered_overnight_delivered_at_eight_and_its_items_are_expanded(
    house: House, person: Person
) -> None:
    await person.says("add buy milk to my tasks")
    await person.says("remind me tomorrow at 11 to call Ana")
    await briefing_on(house, "8:00", [])
    person.clock.move(hours=15, minutes=31)  # six in the morning
    await settled(person)
    assert await person.finds("bus", kind="briefing") == []
    agents = {agent.task.partition(",")[0]: agent for agent in await house.agents.list() if not agent.coordinator}
    held = await house.spaces.held(agents["brief on the tasks"].principal)
    assert {name: str(level) for name, level in held.items() if not name.startswith("dm-")} == {
        "briefing": "append",
        "tasks": "read",
        "timers": "read",
    }
    person.clock.move(hours=2)
    page = await person.hears()
    assert page.startswith("Your briefing for 2026-11-23")
    assert "1. 11:00 reminder: call Ana\n2. buy milk" in page
    assert "**Calendar**" in page or "Calendar: " in page
    assert "The task tasks/" in await person.says("expand item 2")
    assert await person.says("expand item 9") == "The briefing has 2 items."
    await person.says("cancel the reminder to call Ana")
    person.clock.move(hours=24)
    assert (await person.hears()).startswith("Your briefing for 2026-11-24")


async def test_a_briefing_is_asked_for_in_the_chat_and_a_part_that_fails_is_named(house: House, person: Person) -> None:
    await briefing_on(house, "8:00", ["http://127.0.0.1:9/feed"])
    assert await person.says("give me my briefing") == "I put your briefing together."
    page = await person.hears()
    assert page.startswith("Your briefing for 2026-11-22")
    assert "**Could not be made**" in page
    assert "News: http://127.0.0.1:9/feed" in page
    assert await briefing_off(house)
    assert not await briefing_off(house)


async def test_a_time_that_is_none_is_refused(house: House, person: Person) -> None:
    with pytest.raises(InvalidInput, match="Give it like 8:00"):
        await briefing_on(house, "eightish", [])


async def settled(person: Person) -> None:
    """Return once the page of the briefing is written."""
    async for change in person.house.spaces.open("briefing").follow(0):
        if change.comment.startswith("page: "):
            return
