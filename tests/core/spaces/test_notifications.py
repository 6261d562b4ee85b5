"""What a reader of a space may rely on."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.atoms.atoms import Change, Principal
from core.errors import InvalidInput, NotFound, StoreUnavailable
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import load
from core.spaces.notifications import Draft
from core.spaces.spaces import Space
from core.testing import MovableClock
from tests.core.mortal_worker import Flat

ANN = Principal("ann")


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
    for _ in range(200):
        await space.put("more")
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


async def test_what_is_no_number_of_a_change_is_refused_in_words(house: House) -> None:
    space = await house.spaces.create("tasks")
    for after in (-1, "x", 1.5, 10**30):
        with pytest.raises(InvalidInput, match="give the number of a change"):
            await space.changes(after)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="give the number of a change"):
            await anext(space.follow(after))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="limit is 0"):
        await space.changes(0, 0)


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


async def test_changes_have_one_order_however_many_write(house: House) -> None:
    space = await house.spaces.create("news")
    readers = [asyncio.create_task(take(house.spaces.open("news"), 1, 300)) for _ in range(3)]
    await asyncio.gather(*(space.put("more") for _ in range(300)))
    first, *others = [[(c.seq, c.atom) for c in found] for found in await asyncio.gather(*readers)]
    assert [seq for seq, _ in first] == list(range(2, 302))
    assert all(order == first for order in others)


async def test_what_is_published_is_told_as_it_is_kept(house: House) -> None:
    space = await house.spaces.create("news")
    told: list[Change] = []
    async with house.notifications.telling("news", space.holder, 0, told.append):
        atom = await space.put("one", comment="first", metadata={"n": 1})
        await space.update(atom.id, comment="second", content="two")
        while len(told) < 3:
            await asyncio.sleep(0)
    assert told == await space.changes()


async def test_a_live_reader_asks_the_store_for_nothing(house: House) -> None:
    space = await house.spaces.create("news")
    told: list[Change] = []
    async with house.notifications.telling("news", space.holder, await space.newest(), told.append):
        await space.put("first")
        while not told:
            await asyncio.sleep(0)
        stats = await house.store.run("INFO", "commandstats")
        for n in range(10):
            await space.put(f"{n}")
        while len(told) < 11:
            await asyncio.sleep(0)
        later = await house.store.run("INFO", "commandstats")
    assert calls(later, "fcall_ro") == calls(stats, "fcall_ro")


def calls(stats: bytes, command: str) -> str:
    """How often Redis was given a command, by its own count."""
    return stats.decode().partition(f"cmdstat_{command}:calls=")[2].partition(",")[0]


async def test_a_reader_is_told_nothing_after_its_right_is_taken_back(house: House) -> None:
    space = await house.spaces.create("news")
    await space.share("ann", "read")
    hers = house.spaces.open("news", ANN)
    reading = hers.follow(await space.newest())
    await space.put("for all")
    assert (await anext(reading)).comment == "for all"
    await space.revoke("ann")
    await space.put("not for her")
    with pytest.raises(NotFound):
        await anext(reading)


async def test_a_reader_whose_right_ends_is_told_nothing_after_that(house: House, clock: MovableClock) -> None:
    space = await house.spaces.create("news")
    await space.share("ann", "read", until=clock.now() + timedelta(hours=1))
    reading = house.spaces.open("news", ANN).follow(await space.newest())
    for text in ("one", "two"):
        await space.put(text)
        assert (await anext(reading)).comment == text
    clock.move(hours=1)
    await space.put("three")
    with pytest.raises(NotFound):
        await anext(reading)


async def test_a_reader_that_takes_its_time_misses_nothing(house: House) -> None:
    space = await house.spaces.create("news")
    reading = space.follow(1)
    await space.put("0")
    assert (await anext(reading)).seq == 2
    await asyncio.gather(*(space.put("more") for _ in range(1200)))
    assert [(await anext(reading)).seq for _ in range(1200)] == list(range(3, 1203))


async def test_a_subscriber_that_was_down_for_an_hour_misses_nothing(house: House, clock: MovableClock) -> None:
    space = await house.spaces.create("news")
    await house.notifications.advance("phone", "news", await space.newest())
    for n in range(60):
        clock.move(minutes=1)
        await space.put(f"{n}")
    place = await house.notifications.cursor("phone", "news")
    assert place is not None
    assert [c.comment for c in await take(space, place, 60)] == [f"{n}" for n in range(60)]


async def test_a_thousand_subscriptions_share_one_connection(house: House) -> None:
    spaces = [await house.spaces.create(f"news-{n}") for n in range(40)]
    told: list[Change] = []
    async with contextlib.AsyncExitStack() as stack:
        for n in range(1000):
            space = spaces[n % 40]
            telling = house.notifications.telling(space.id, space.holder, 1, told.append)
            await stack.enter_async_context(telling)
        clients = await house.store.run("CLIENT", "LIST", "TYPE", "pubsub")
        await asyncio.gather(*(space.put("news") for space in spaces))
        while len(told) < 1000:
            await asyncio.sleep(0)
    assert clients.count(b"id=") == 1
    assert Counter(change.space for change in told) == {space.id: 25 for space in spaces}


@contextlib.asynccontextmanager
async def mortal_house(home: Path) -> AsyncIterator[tuple[EmbeddedRedis, House]]:
    """A house over a Redis of its own that may be killed."""
    async with EmbeddedRedis(home) as server, open_house(load(home=home), server.url, embedder=Flat()) as house:
        yield server, house


async def test_nothing_is_lost_or_doubled_over_a_kill_of_redis(tmp_path: Path) -> None:
    async with mortal_house(tmp_path / "home") as (server, house):
        space = await house.spaces.create("news")
        readers = [asyncio.create_task(take(space, 0, 101)) for _ in range(3)]
        for n in range(50):
            await space.put(f"{n}")
        os.kill(server.pid, signal.SIGKILL)
        await server.died()
        waiting = asyncio.create_task(space.put("50"))
        missing = asyncio.create_task(house.notifications.changes("news", space.holder, 0))
        with contextlib.suppress(StoreUnavailable):  # long enough away for a reader to be refused
            await missing
        await server.restart()
        with contextlib.suppress(StoreUnavailable):
            await waiting
        for n in range(51, 120):
            with contextlib.suppress(StoreUnavailable):
                await space.put(f"{n}")
        for found in await asyncio.wait_for(asyncio.gather(*readers), 20):
            assert [c.seq for c in found] == list(range(1, 102))
