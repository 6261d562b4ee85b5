"""A timer fires once, when it is due, whatever happens in between."""

import asyncio

import pytest
import pytest_asyncio

from core.atoms.atoms import OWNER, Atom
from core.errors import InvalidInput, NotFound
from core.house import House
from core.spaces.spaces import Actor
from core.testing import MovableClock
from core.tools.registry import Acting, call_tool
from core.tools.timers import TIMERS_SPACE
from tests.conftest import START


@pytest_asyncio.fixture
async def timers(house: House) -> House:
    await house.timers.prepare()
    return house


async def fired(house: House, count: int = 1) -> list[Atom]:
    """The first timers that fire while the clock's loop runs."""
    running = asyncio.create_task(house.timers.run())
    found: list[Atom] = []
    space = house.spaces.open(TIMERS_SPACE)
    try:
        async with asyncio.timeout(10):
            async for change in space.follow(0):
                if change.comment.startswith("timer fired: "):
                    found.append(await space.get(change.atom))
                    if len(found) == count:
                        break
    finally:
        running.cancel()
    return found


async def test_a_timer_fires_when_its_time_comes(timers: House, clock: MovableClock) -> None:
    timer = await timers.timers.set_timer("in 2 minutes", "review the Q3 report", references={"about": ["chat/x"]})
    waiting = asyncio.create_task(fired(timers))
    clock.move(seconds=119)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    clock.move(seconds=1)
    (atom,) = await waiting
    assert (atom.id, atom.content, atom.references) == (timer.id, "review the Q3 report", {"about": ["chat/x"]})
    assert atom.metadata["status"] == "fired"
    assert atom.metadata["late"] is False


async def test_a_timer_that_came_due_while_nobody_ran_fires_late_and_says_so(
    timers: House, clock: MovableClock
) -> None:
    await timers.timers.set_timer("in 2 minutes", "call Ana")
    clock.move(hours=3)
    (atom,) = await fired(timers)
    assert atom.metadata["late"] is True


async def test_a_timer_fires_once_with_many_workers(timers: House, clock: MovableClock) -> None:
    for n in range(5):
        await timers.timers.set_timer("in 1 minute", f"thing {n}")
    others = [asyncio.create_task(timers.timers.run()) for _ in range(4)]
    clock.move(minutes=1)
    assert len({a.id for a in await fired(timers, 5)}) == 5
    for other in others:
        other.cancel()
    changes = await timers.spaces.open(TIMERS_SPACE).changes()
    assert len([c for c in changes if c.comment.startswith("timer fired")]) == 5


async def test_timers_are_listed_in_the_order_they_come_due(timers: House) -> None:
    for when in ("in 3 hours", "in 1 hour", "in 2 hours"):
        await timers.timers.set_timer(when, when)
    assert [t.content for t in await timers.timers.list_timers()] == ["in 1 hour", "in 2 hours", "in 3 hours"]


async def test_a_cancelled_timer_does_not_fire(timers: House, clock: MovableClock) -> None:
    first = await timers.timers.set_timer("in 1 minute", "no")
    second = await timers.timers.set_timer("in 2 minutes", "yes")
    await timers.timers.cancel_timer(first.id)
    clock.move(minutes=3)
    assert [a.content for a in await fired(timers)] == ["yes"]
    again = await call_tool(timers.timers.cancel_timer, Acting(Actor(OWNER), "turn.0"), first.id)
    assert isinstance(again, Atom)
    assert again.version == 2
    with pytest.raises(NotFound, match="is cancelled"):
        await timers.timers.cancel_timer(first.id)
    with pytest.raises(NotFound, match="is fired"):
        await timers.timers.cancel_timer(second.id)


async def test_a_time_that_passed_while_it_was_asked_for_fires_at_once(timers: House, clock: MovableClock) -> None:
    at = clock.now().isoformat()
    clock.move(seconds=20)
    await timers.timers.set_timer(at, "blink")
    (atom,) = await fired(timers)
    assert atom.metadata["late"] is False


async def test_setting_a_timer_again_after_a_crash_finds_it_even_if_its_time_has_passed(
    timers: House, clock: MovableClock
) -> None:
    async def set_again() -> object:
        at = START.replace(minute=31).isoformat()
        return await call_tool(timers.timers.set_timer, Acting(Actor(OWNER), "turn.0"), at, "call Ana")

    first = await set_again()
    clock.move(hours=1)
    assert await set_again() == first


@pytest.mark.parametrize(
    ("at", "what", "said"),
    [
        ("2020-01-01T09:00:00+01:00", "x", "past"),
        ("on 30 February at 9", "x", "(?i)february"),
        ("sometime", "x", "sometime"),
        ("in 2 minutes", "  ", "what is missing: say what"),
    ],
)
async def test_a_timer_that_cannot_be_is_refused_with_the_reason(timers: House, at: str, what: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await timers.timers.set_timer(at, what)
    assert await timers.timers.list_timers() == []
