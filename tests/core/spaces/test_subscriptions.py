"""When a change wakes its subscribers, and which changes are for them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.agents.unread import agents_due, gather
from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.errors import InvalidInput
from core.house import House
from core.spaces.notifications import Wake
from core.spaces.spaces import Space
from core.testing import MovableClock, ScriptedLLM
from tests.core.scenes import seat, working

ANN = Principal("ann")


@pytest_asyncio.fixture
async def space(house: House) -> AsyncIterator[Space]:
    """A space that Ann may read."""
    space = await house.spaces.create("tasks")
    await space.share("ann", "read")
    yield space


@pytest_asyncio.fixture
async def hers(house: House, space: Space) -> Space:
    return house.spaces.open("tasks", ANN)


async def woken(house: House, space: Space, **metadata: str) -> tuple[str, ...]:
    """Whom the put of an atom wakes."""
    wakes = house.notifications.wakes()
    told: asyncio.Task[Wake] = asyncio.ensure_future(anext(wakes))
    while not told.done():  # until it listens, what is published is not heard
        await space.put("a task", metadata=metadata)
        await asyncio.sleep(0.01)
    return told.result().subscribers


@pytest.mark.parametrize(("wake", "expected"), [("now", ("ann",)), ("never", ()), (60, ())])
async def test_a_change_wakes_whoever_wants_that_at_once(
    house: House, space: Space, hers: Space, wake: str | float, expected: tuple[str, ...]
) -> None:
    await hers.subscribe(wake)
    assert await woken(house, space) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"status": "done"}, ("ann",)),
        ({"status": ["late", "done"]}, ("ann",)),
        ({"status": "done", "by": "bob"}, ("ann",)),
        ({"status": "done", "by": "cy"}, ()),
        ({"status": "open"}, ()),
    ],
)
async def test_a_filter_asks_for_the_metadata_of_what_changed(
    house: House, space: Space, hers: Space, asked: dict[str, str | list[str]], expected: tuple[str, ...]
) -> None:
    await hers.subscribe(metadata=asked)
    assert await woken(house, space, status="done", by="bob") == expected


async def test_a_filter_looks_at_the_atom_as_the_change_left_it(house: House, space: Space, hers: Space) -> None:
    await hers.subscribe(metadata={"status": "done"})
    task = await space.put("a task", metadata={"status": "open"})
    await space.update(task.id, comment="halfway", metadata={"progress": 5})
    await space.update(task.id, comment="finished", metadata={"status": "done"})
    await space.update(task.id, comment="open again", metadata={"status": "open"})
    last, news = await house.notifications.news("tasks", ANN, 0)
    assert [change.comment for change in news if change.seq > 2] == ["finished"]
    assert last == await space.newest()


async def test_subscribing_again_changes_how_and_keeps_the_place(house: House, space: Space, hers: Space) -> None:
    await hers.subscribe("never")
    place = await house.notifications.cursor("ann", "tasks")
    await space.put("a task")
    await hers.subscribe("now")
    assert await house.notifications.cursor("ann", "tasks") == place


@pytest.mark.parametrize(
    ("wake", "metadata"),
    [
        ("soon", {}),
        (0, {}),
        (True, {}),
        (10**9, {}),
        (float("nan"), {}),
        ("now", {"n": {"gt": 3}}),
        ("now", {"status": []}),
        ("now", {"status": None}),
        ("now", "done"),
        ("now", {"a=b": 1}),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(hers: Space, wake: str, metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        await hers.subscribe(wake, metadata)


async def test_a_digest_comes_when_the_oldest_change_has_waited_that_long(house: House, clock: MovableClock) -> None:
    agent = await seat(house)
    plans = await house.spaces.create("plans")
    await plans.share(agent.id, "read")
    await house.spaces.open("plans", agent.principal).subscribe(3600)
    await plans.put("one")
    clock.move(minutes=40)
    await plans.put("two")
    assert await agents_due(house.spaces) == []
    clock.move(minutes=20)
    assert await agents_due(house.spaces) == ["assistant"]
    assert [notice.content for notice in (await gather(house.spaces, agent)).notices] == ["one", "two"]


async def test_who_is_never_woken_is_shown_the_changes_at_its_next_turn(house: House, clock: MovableClock) -> None:
    agent = await seat(house)
    plans = await house.spaces.create("plans")
    await plans.share(agent.id, "read")
    await house.spaces.open("plans", agent.principal).subscribe("never")
    await plans.put("one")
    clock.move(days=1)
    assert await agents_due(house.spaces) == []
    llm = ScriptedLLM("Fine.")
    async with working(house, llm):
        await house.spaces.open("chat").put("Hello", metadata={"role": "user"})
        async for change in house.spaces.open("chat").follow():
            if change.author == "assistant":
                break
    assert "one" in llm.seen[0][-1].text
    assert "Hello" in llm.seen[0][-1].text


async def test_what_is_not_for_an_agent_is_passed_over_without_a_turn(house: House) -> None:
    agent = await seat(house)
    plans = await house.spaces.create("plans")
    await plans.share(agent.id, Permission.WRITE)
    mine = house.spaces.open("plans", agent.principal)
    await mine.subscribe(metadata={"status": "done"})
    await plans.put("one", metadata={"status": "open"})
    await mine.put("my own", metadata={"status": "done"})
    assert await agents_due(house.spaces) == []
    assert await house.notifications.cursor(agent.id, "plans") == await plans.newest()
    await plans.put("two", metadata={"status": "done"})
    assert await agents_due(house.spaces) == ["assistant"]
    assert [notice.content for notice in (await gather(house.spaces, agent)).notices] == ["two"]


async def test_whoever_unsubscribes_has_no_place_any_more(house: House, space: Space, hers: Space) -> None:
    await hers.subscribe()
    await space.revoke("ann")
    await hers.unsubscribe()
    await house.notifications.advance("ann", "tasks", 99, known=True)
    assert await house.notifications.cursor("ann", "tasks") is None
    assert await house.store.run("HGETALL", house.store.keys.subscribers("tasks")) in ({}, [])


async def test_what_was_put_off_is_taken_up_in_order_and_one_conversation_a_turn(house: House) -> None:
    await seat(house)
    chat, agent = house.spaces.open("chat"), await house.agents.get("assistant")
    for text in "abcdefghijkl":
        await chat.put(text, metadata={"role": "user", "conversation": "phone" if text in "bk" else "desk"})
    newest = await chat.newest()
    await house.notifications.advance("assistant", "chat", newest)
    key, keys = house.store.keys.parked("assistant"), [f"chat/{newest - n}#later-1" for n in range(12)]
    await house.store.run("SADD", key, *keys)
    await chat.put("m", metadata={"role": "user", "conversation": "phone"})
    turns = []
    while (news := await gather(house.spaces, agent)).notices:
        turns.append("".join(notice.content for notice in news.notices))
        await house.store.run("SREM", key, *news.taken_up or ["none"])
        for space, seq in news.cursors.items():
            await house.notifications.advance("assistant", space, seq)
    assert turns == ["acdefghijl", "bkm"]


async def test_a_turn_answers_what_was_said_in_one_conversation(house: House) -> None:
    await seat(house)
    chat = house.spaces.open("chat")
    places = {"a": "phone", "b": "desk", "c": "desk", "d": "phone"}
    for text, place in places.items():
        await chat.put(text, metadata={"role": "user", "conversation": place})
    turns = []
    while (news := await gather(house.spaces, await house.agents.get("assistant"))).notices:
        turns.append("".join(notice.content for notice in news.notices))
        for space, seq in news.cursors.items():
            await house.notifications.advance("assistant", space, seq)
        assert news.more == (len("".join(turns)) < len(places))
    assert turns == ["a", "bc", "d"]
