"""A timer fires once, when it is due, whatever happens in between."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from core.atoms.atoms import CLOCK, OWNER, Atom, Change
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


async def changed(house: House) -> Change:
    """The first change that the clock makes."""
    running = asyncio.create_task(house.timers.run())
    try:
        async with asyncio.timeout(10):
            async for change in house.spaces.open(TIMERS_SPACE).follow(0):
                if change.author == CLOCK.id:
                    return change
    finally:
        running.cancel()
    raise AssertionError("the space of timers has ended")


async def test_a_timer_fires_when_its_time_comes(timers: House, clock: MovableClock) -> None:
    chat = await timers.spaces.create("chat")
    about = {"about": [(await chat.put("remind me of the report")).ref]}
    timer = await timers.timers.set_timer("in 2 minutes", "review the Q3 report", references=about)
    waiting = asyncio.create_task(fired(timers))
    clock.move(seconds=119)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    clock.move(seconds=1)
    (atom,) = await waiting
    assert (atom.id, atom.content, atom.references) == (timer.id, "review the Q3 report", about)
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


async def test_what_repeats_fires_each_time_in_its_own_zone_and_stays_pending(
    timers: House, clock: MovableClock
) -> None:
    timer = await timers.timers.set_timer("every weekday at 8:30", "stand up", zone="America/New_York")
    assert timer.metadata["repeats"] == "every weekday at 08:30"
    for day in (23, 24):  # Monday and Tuesday
        clock.moment = datetime(2026, 11, day, 14, 30, tzinfo=clock.zone)  # 08:30 in New York
        atom = (await fired(timers, day - 22))[-1]
        assert (atom.metadata["status"], atom.metadata["late"]) == ("pending", False)
        assert atom.metadata["last"] == clock.now()
    assert atom.metadata["runs"] == 2
    assert atom.metadata["due"] == datetime(2026, 11, 25, 14, 30, tzinfo=clock.zone)


async def test_what_repeats_fires_once_for_each_due_time_with_many_workers(timers: House, clock: MovableClock) -> None:
    await timers.timers.set_timer("every 10 minutes", "stretch")
    workers = [asyncio.create_task(timers.timers.run()) for _ in range(4)]
    for count in range(1, 6):
        clock.move(minutes=10)
        await fired(timers, count)
    for worker in workers:
        worker.cancel()
    changes = await timers.spaces.open(TIMERS_SPACE).changes()
    assert len([c for c in changes if c.comment.startswith("timer fired")]) == 5


@pytest.mark.parametrize(
    ("if_late", "hours", "comment"),
    [
        ("tell", 30, "timer fired: drink"),
        ("skip", 30, "timer skipped: drink"),
        ("4 hours", 3, "timer fired: drink"),
        ("4 hours", 5, "timer skipped: drink"),
    ],
)
async def test_a_time_that_passed_while_nothing_ran_is_told_or_skipped_as_asked(
    timers: House, clock: MovableClock, if_late: str, hours: int, comment: str
) -> None:
    timer = await timers.timers.set_timer("today at 15:00", "drink", if_late=if_late)
    clock.moment = datetime(2026, 11, 22, 15, tzinfo=clock.zone) + timedelta(hours=hours)
    last = await changed(timers)
    assert last.comment == comment
    atom = await timers.spaces.open(TIMERS_SPACE).get(timer.id)
    assert atom.metadata["status"] == comment.split(":")[0].removeprefix("timer ")


async def test_after_an_outage_what_repeats_is_told_once_with_how_often_it_was_missed(
    timers: House, clock: MovableClock
) -> None:
    await timers.timers.set_timer("every day at 8", "take the pill")
    clock.move(days=10)
    (atom,) = await fired(timers)
    assert (atom.metadata["missed"], atom.metadata["late"], atom.metadata["runs"]) == (9, True, 1)
    assert atom.metadata["last"] == datetime(2026, 12, 2, 8, tzinfo=clock.zone)
    assert atom.metadata["due"] == datetime(2026, 12, 3, 8, tzinfo=clock.zone)


async def test_what_repeats_ends_after_its_last_time(timers: House, clock: MovableClock) -> None:
    await timers.timers.set_timer("every day at 8 until Tuesday", "pack")
    clock.move(days=5)
    (atom,) = await fired(timers)
    assert (atom.metadata["status"], atom.metadata["missed"]) == ("fired", 1)


async def test_a_timer_is_moved_changed_and_everything_is_undone_again(timers: House, clock: MovableClock) -> None:
    one = timers.timers
    timer = await one.set_timer("tomorrow at 9", "call Ana")
    moved = await one.change_timer(timer.id, at="every Friday at 10", what="call Ben")
    assert (moved.content, moved.metadata["repeats"]) == ("call Ben", "every Friday at 10:00")
    back = await one.undo_timer(timer.id)
    assert (back.content, back.metadata["due"], back.metadata.get("repeats")) == (
        "call Ana",
        timer.metadata["due"],
        None,
    )
    await one.cancel_timer(timer.id)
    assert (await one.undo_timer(timer.id)).metadata["status"] == "pending"
    clock.move(days=2)
    await fired(timers)
    with pytest.raises(NotFound, match="has fired since"):
        await one.undo_timer(timer.id)
    snoozed = await one.change_timer(timer.id, at="in 10 minutes")
    assert snoozed.metadata["status"] == "pending"
    new = await one.set_timer("tomorrow", "sleep")
    assert (await one.undo_timer(new.id)).metadata["status"] == "cancelled"


async def test_a_timer_moved_at_the_last_moment_does_not_fire_at_its_old_time(
    timers: House, clock: MovableClock
) -> None:
    timer = await timers.timers.set_timer("in 1 minute", "wait")
    stale = timers.spaces.open(TIMERS_SPACE, CLOCK)
    seen = await stale.get(timer.id)
    await timers.timers.change_timer(timer.id, at="in 1 hour")
    clock.move(minutes=2)
    await timers.timers._fire(stale, seen, clock.now())
    assert (await timers.timers.list_timers())[0].metadata["status"] == "pending"


@pytest.mark.parametrize(
    ("at", "more", "said"),
    [
        ("every 0 seconds", {}, "never stop"),
        ("yesterday", {}, "past"),
        ("31 February", {}, "no such day|cannot be"),
        ("tomorrow", {"zone": "Mars/Olympus"}, "Unknown time zone 'Mars/Olympus'"),
        ("0 0 30 2 *", {}, "not a valid cron line"),
        ("tomorrow", {"if_late": "perhaps"}, "if_late is 'tell'"),
        ("tomorrow", {"references": {"about": ["chat/nothing"]}}, "no atom 'chat/nothing'"),
    ],
)
async def test_what_cannot_be_leaves_nothing_half_scheduled(
    timers: House, at: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await timers.timers.set_timer(at, "x", **more)
    assert await timers.timers.list_timers() == []
