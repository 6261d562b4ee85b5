"""One agent, one turn at a time, whoever runs it."""

import asyncio
from typing import Any

import pytest

from core.atoms.atoms import Principal
from core.errors import LeaseLost
from core.house import House
from core.store.store import Argument, Store
from core.turns.lanes import Lane, TurnOutcome, next_in_queue, queue, wake


async def test_a_lane_has_one_holder_at_a_time(house: House) -> None:
    first, second = Lane(house.store, "ann"), Lane(house.store, "ann")
    assert await first.begin()
    assert not await second.begin()
    await first.commit(TurnOutcome())
    assert await second.begin()


async def test_each_holder_has_a_higher_epoch_than_the_one_before(house: House) -> None:
    first, second = Lane(house.store, "ann"), Lane(house.store, "ann")
    await first.begin()
    await first.commit(TurnOutcome())
    await second.begin()
    assert second.epoch > first.epoch


async def test_a_first_wake_up_queues_a_turn_and_a_second_does_not(house: House) -> None:
    assert await wake(house.store, "ann") is not None
    assert await wake(house.store, "ann") is None


async def test_a_turn_that_was_queued_and_never_begun_is_queued_anew_under_another_number(house: House) -> None:
    first = await wake(house.store, "ann")
    assert await wake(house.store, "ann", lost_after=60) is None
    again = None
    while again is None:
        again = await wake(house.store, "ann", lost_after=0)
    assert again != first


async def test_a_wake_up_during_a_turn_is_not_lost(house: House) -> None:
    lane = Lane(house.store, "ann")
    await lane.begin()
    assert await wake(house.store, "ann") is None
    assert await lane.commit(TurnOutcome({"chat": 3}))
    assert not await lane.commit(TurnOutcome({"chat": 4}))
    assert await wake(house.store, "ann") is not None


async def test_a_commit_moves_cursors_session_and_ledger_at_once_and_clears_the_journal(house: House) -> None:
    await (await house.spaces.create("chat", by=Principal("ann"))).subscribe()
    lane = Lane(house.store, "ann")
    await lane.begin()
    await lane.note("reply.0", b"hello")
    assert await lane.journal() == {"reply.0": b"hello"}
    await lane.commit(TurnOutcome({"chat": 3}, [b"message"], {"chat/x": 2}))
    assert await lane.journal() == {}
    assert await house.notifications.cursor("ann", "chat") == 3
    assert await house.store.run("LRANGE", house.store.keys.session("ann"), 0, -1) == [b"message"]


async def test_a_commit_does_not_bring_back_a_subscription_that_ended_during_the_turn(house: House) -> None:
    lane = Lane(house.store, "ann")
    await lane.begin()
    await lane.commit(TurnOutcome({"chat": 3}))
    assert await house.notifications.cursor("ann", "chat") is None


async def test_who_has_lost_the_lease_can_neither_note_nor_commit(house: House) -> None:
    old, new = Lane(house.store, "ann"), Lane(house.store, "ann")
    await old.begin()
    await house.store.run("DEL", house.store.keys.lease("ann"))
    await new.begin()
    with pytest.raises(LeaseLost):
        await old.note("reply.0", b"stale")
    with pytest.raises(LeaseLost):
        await old.commit(TurnOutcome({"chat": 9}))
    assert await new.journal() == {}


async def test_a_kept_lane_outlives_its_lease(house: House) -> None:
    lane = Lane(house.store, "ann", lease=0.2)
    await lane.begin()
    async with lane.kept():
        renewed = 0
        while renewed < 3:
            left = await house.store.run("PTTL", house.store.keys.lease("ann"))
            assert left > 0
            renewed += left > 160
            await asyncio.sleep(0.02)
    assert not await Lane(house.store, "ann").begin()


async def test_whoever_loses_the_lease_stops(house: House) -> None:
    lane = Lane(house.store, "ann", lease=0.1)
    await lane.begin()

    async def work() -> None:
        async with asyncio.timeout(5), lane.kept():
            await house.store.run("SET", house.store.keys.lease("ann"), "another")
            await asyncio.Event().wait()

    with pytest.raises(LeaseLost):
        await work()


async def test_a_lane_given_back_can_be_taken_at_once_and_goes_on_from_the_journal(house: House) -> None:
    first, second = Lane(house.store, "ann"), Lane(house.store, "ann")
    await first.begin()
    await first.note("reply.0", b"hello")
    await first.release()
    assert await second.begin()
    assert await second.journal() == {"reply.0": b"hello"}


async def test_a_lane_that_was_lost_cannot_be_given_back(house: House) -> None:
    first, second = Lane(house.store, "ann"), Lane(house.store, "ann")
    await first.begin()
    await house.store.run("DEL", house.store.keys.lease("ann"))
    await second.begin()
    await first.release()
    assert not await Lane(house.store, "ann").begin()


async def test_causes_take_turns_however_many_agents_wait_for_one_of_them(house: House) -> None:
    for agent in ("a1", "a2", "a3", "a4"):
        await queue(house.store, "chat/1", agent)
    await queue(house.store, "chat/2", "b1")
    order = [await next_in_queue(house.store) for _ in range(6)]
    assert order == ["a1", "b1", "a2", "a3", "a4", None]


class SaidTwice(Store):
    """A store whose connection is always lost before the answer, so that all is said a second time."""

    async def run(self, *command: Argument) -> Any:
        await super().run(*command)
        return await super().run(*command)


async def test_a_commit_that_is_said_twice_is_made_once(house: House) -> None:
    lane = Lane(SaidTwice(house.store.link, house.store.keys, house.clock), "ann")
    await lane.begin()
    await wake(house.store, "ann")
    assert await lane.commit(TurnOutcome({}, [b"one"]))
    assert not await lane.commit(TurnOutcome({}, [b"two"]))
    assert await house.store.run("LRANGE", house.store.keys.session("ann"), 0, -1) == [b"one", b"two"]
    assert await wake(house.store, "ann") is not None
