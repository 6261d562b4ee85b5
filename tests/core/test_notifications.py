"""What a reader of a space may rely on."""

import asyncio

import pytest

from core.atoms import Change, Principal
from core.errors import NotFound
from core.house import House
from core.notifications import Draft
from core.spaces import Space


async def take(space: Space, after: int, count: int) -> list[Change]:
    changes = []
    async for change in space.follow(after):
        changes.append(change)
        if len(changes) == count:
            return changes
    return changes


async def test_a_reader_is_told_what_happened_before_and_what_happens_next(house: House) -> None:
    space = await house.spaces.create("news")
    await space.put("one", comment="first")
    reading = asyncio.create_task(take(space, 0, 3))
    await asyncio.sleep(0)
    await space.put("two", comment="second")
    told = await asyncio.wait_for(reading, 5)
    assert [(c.seq, c.operation, c.comment) for c in told] == [
        (1, "create", "created news"),
        (2, "put", "first"),
        (3, "put", "second"),
    ]


async def test_changes_made_while_reading_come_in_order_without_gap_or_double(house: House) -> None:
    space = await house.spaces.create("news")
    reading = asyncio.create_task(take(space, 1, 200))
    for n in range(200):
        await space.put(f"{n}")
    assert [c.seq for c in await asyncio.wait_for(reading, 20)] == list(range(2, 202))


async def test_a_lost_connection_loses_no_change(house: House) -> None:
    space = await house.spaces.create("news")
    reading = asyncio.create_task(take(space, 0, 21))
    for n in range(20):
        await space.put(f"{n}")
        if n % 5 == 0:
            await house.store.run("CLIENT", "KILL", "TYPE", "pubsub")
    assert [c.seq for c in await asyncio.wait_for(reading, 20)] == list(range(1, 22))


async def test_who_may_not_read_a_space_is_told_nothing_of_it(house: House) -> None:
    space = await house.spaces.create("news")
    await space.put("secret")
    with pytest.raises(NotFound):
        await house.spaces.open("news", Principal("ann")).changes()


async def test_a_cursor_only_moves_forward(house: House) -> None:
    assert await house.notifications.cursor("terminal", "chat") is None
    await house.notifications.advance("terminal", "chat", 5)
    await house.notifications.advance("terminal", "chat", 3)
    assert await house.notifications.cursor("terminal", "chat") == 5


async def test_a_comment_travels_and_the_content_does_not(house: House) -> None:
    space = await house.spaces.create("news")
    await space.put("a long report", comment="added the report")
    (_, change) = await space.changes()
    assert change.comment == "added the report"
    assert "long report" not in str(change)


async def test_who_looks_at_a_space_sees_what_is_about_to_be_said(house: House) -> None:
    await house.spaces.create("chat")
    looking = house.notifications.drafts("chat")
    first = asyncio.ensure_future(anext(looking))
    while not first.done():
        await house.notifications.draft("chat", Draft("assistant", "Let me"))
        await asyncio.sleep(0)
    assert first.result() == Draft("assistant", "Let me")
