"""A claim gives a task to one of many, for as long as a lease."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio

from core.agents.agents import Agent
from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from core.house import House
from core.spaces.spaces import Space
from core.testing import MovableClock

ANN = Principal("ann")
BOB = Principal("bob")
PENDING = {"status": "pending"}


@pytest_asyncio.fixture
async def space(house: House) -> Space:
    space = await house.spaces.create("tasks")
    for who in ("ann", "bob"):
        await space.share(who, "write")
    return space


async def pending(space: Space) -> list[str]:
    return [task.id for task in await space.search(metadata={"status": "pending"})]


async def test_of_many_who_claim_a_task_one_gets_it(house: House, space: Space) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    workers = [Principal(f"worker-{n}") for n in range(20)]
    for worker in workers:
        await space.share(worker.id, "write")
    tries = [house.spaces.open("tasks", worker).claim(task.id) for worker in workers]
    got = [one for one in await asyncio.gather(*tries, return_exceptions=True) if not isinstance(one, Conflict)]
    (mine,) = got
    assert not isinstance(mine, BaseException)
    assert mine.metadata["status"] == "claimed"
    assert (await space.get(task.id)).metadata["owner"] == mine.metadata["owner"]


async def test_a_task_whose_metadata_are_as_large_as_can_be_is_claimed_too(house: House, space: Space) -> None:
    full = {f"note{n:02}": "x" * 3_992 for n in range(16)} | {"last": "x" * 1_490}
    task = await space.put("paint the fence", metadata=PENDING | full)
    theirs = house.spaces.open("tasks", ANN)
    assert (await theirs.claim(task.id)).metadata["owner"] == "ann"
    with pytest.raises(InvalidInput, match="65,536 are the most"):
        await theirs.claim(task.id, metadata={"more": "x" * 100})


async def test_who_comes_second_is_told_whose_it_is_and_until_when(house: House, space: Space) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    await house.spaces.open("tasks", ANN).claim(task.id, lease=60)
    with pytest.raises(Conflict, match=r'for "ann" to do until 2026-11-22T13:31:00\+00:00. Claim another'):
        await house.spaces.open("tasks", BOB).claim(task.id)


async def test_a_claim_says_what_else_it_is_told_and_why(house: House, space: Space) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    hers = house.spaces.open("tasks", ANN)
    claimed = await hers.claim(task.id, comment="on it", metadata={"status": "doing", "attempt": 2})
    assert (claimed.metadata["status"], claimed.metadata["attempt"]) == ("doing", 2)
    assert (await space.history(task.id))[-1].comment == "on it"


async def test_a_claim_whose_lease_has_ended_is_found_among_what_is_pending(
    house: House, space: Space, clock: MovableClock
) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    await house.spaces.open("tasks", ANN).claim(task.id, lease=60)
    assert await pending(space) == []
    clock.move(seconds=60)
    assert await pending(space) == [task.id]
    found = await space.get(task.id)
    assert found.metadata == PENDING
    assert (await space.history(task.id))[-1].comment == "free again: the claim of ann has ended"


async def test_who_looks_at_a_task_sees_it_free_as_soon_as_the_lease_has_ended(
    house: House, space: Space, clock: MovableClock
) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    await house.spaces.open("tasks", ANN).claim(task.id, lease=60)
    clock.move(seconds=61)
    assert (await space.get(task.id)).metadata == PENDING


async def test_a_task_whose_lease_has_ended_can_be_claimed_by_another(
    house: House, space: Space, clock: MovableClock
) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    hers, his = house.spaces.open("tasks", ANN), house.spaces.open("tasks", BOB)
    await hers.claim(task.id, lease=60)
    clock.move(seconds=60)
    assert (await his.claim(task.id)).metadata["owner"] == "bob"
    with pytest.raises(Conflict, match="Check that your change still makes sense"):
        await hers.update(task.id, comment="done", metadata={"status": "done"})


async def test_the_same_owner_lengthens_the_lease_by_claiming_again(
    house: House, space: Space, clock: MovableClock
) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    hers = house.spaces.open("tasks", ANN)
    await hers.claim(task.id, lease=60)
    clock.move(seconds=40)
    claimed = await hers.claim(task.id, lease=60)
    assert claimed.metadata["lease"] == clock.now() + timedelta(seconds=60)
    clock.move(seconds=40)
    assert await pending(space) == []
    clock.move(seconds=20)
    assert await pending(space) == [task.id]


async def test_a_task_that_is_done_does_not_come_back(house: House, space: Space, clock: MovableClock) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    hers = house.spaces.open("tasks", ANN)
    await hers.claim(task.id, lease=60)
    done = await hers.update(task.id, comment="painted", metadata={"status": "done"})
    assert done.metadata == {"status": "done", "owner": "ann"}
    clock.move(hours=1)
    await house.spaces.give_back()
    assert await space.get(task.id) == done


async def test_a_claim_is_over_when_the_task_is_deprecated(house: House, space: Space, clock: MovableClock) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    await house.spaces.open("tasks", ANN).claim(task.id, lease=60)
    dropped = await space.deprecate(task.id, comment="no fence any more")
    clock.move(hours=1)
    await house.spaces.give_back()
    assert (await space.get(task.id)).version == dropped.version
    back = await space.restore(task.id, dropped.version)
    assert back.metadata == PENDING
    assert (await house.spaces.open("tasks", BOB).claim(task.id)).metadata["owner"] == BOB.id


@pytest.mark.parametrize("status", ["done", "claimed"])
async def test_only_what_is_pending_can_be_claimed(house: House, space: Space, status: str) -> None:
    task = await space.put("paint the fence", metadata={"status": status})
    with pytest.raises(Conflict, match=f'Its status is "{status}"'):
        await house.spaces.open("tasks", ANN).claim(task.id)


async def test_a_task_that_is_given_to_another_cannot_be_claimed(house: House, space: Space) -> None:
    task = await space.put("paint the fence", metadata={**PENDING, "owner": "bob"})
    with pytest.raises(Conflict, match='for "bob" to do'):
        await house.spaces.open("tasks", ANN).claim(task.id)
    assert (await house.spaces.open("tasks", BOB).claim(task.id)).metadata["owner"] == "bob"


async def test_the_claims_of_an_agent_that_has_died_are_given_back(house: House, space: Space) -> None:
    agent = await house.agents.seat(Agent(id="ann", instructions=""), {"tasks": Permission.WRITE})
    hers, his = [await space.put(text, metadata=PENDING) for text in ("paint the fence", "mow the lawn")]
    await house.spaces.open("tasks", ANN).claim(hers.id, lease=3600)
    await house.spaces.open("tasks", BOB).claim(his.id, lease=3600)
    await house.agents.save(agent.model_copy(update={"status": "dead"}))
    assert await pending(space) == [hers.id]


async def test_a_task_given_back_wakes_those_who_wait_for_one(house: House, space: Space, clock: MovableClock) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    await house.spaces.open("tasks", ANN).claim(task.id, lease=60)
    clock.move(minutes=2)
    last = await space.newest()
    await house.spaces.give_back()
    (change,) = await space.changes(last)
    assert (change.atom, change.author, change.operation) == (task.id, "clock", "update")


async def test_a_claim_needs_write_and_tells_a_stranger_nothing(house: House, space: Space) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    await space.share("cy", "append")
    with pytest.raises(PermissionDenied, match="needs write, you hold append"):
        await house.spaces.open("tasks", Principal("cy")).claim(task.id)
    with pytest.raises(NotFound, match="no space 'tasks'"):
        await house.spaces.open("tasks", Principal("dee")).claim(task.id)


async def test_the_same_claim_twice_is_one_version(house: House, space: Space) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    hers = house.spaces.open("tasks", ANN)
    assert await hers.claim(task.id, operation="turn-1") == await hers.claim(task.id, operation="turn-1")


@pytest.mark.parametrize("lease", [0, -1, "an hour", True, float("nan"), 10**9])
async def test_what_is_no_lease_is_refused(space: Space, lease: float) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    with pytest.raises(InvalidInput, match="give the seconds"):
        await space.claim(task.id, lease=lease)
    assert (await space.get(task.id)).version == 1


async def test_restoring_a_claimed_version_leaves_no_claim_without_an_end(space: Space, clock: MovableClock) -> None:
    task = await space.put("paint the fence", metadata=PENDING)
    await space.claim(task.id, lease=60)
    await space.update(task.id, comment="said better", content="paint the whole fence")
    restored = await space.restore(task.id, 2)
    assert restored.content == "paint the fence"
    assert restored.metadata["status"] == "claimed"  # the claim of now goes on
    clock.move(seconds=61)
    assert await pending(space) == [task.id]
    restored = await space.restore(task.id, 3)
    assert (restored.content, restored.metadata) == ("paint the whole fence", PENDING)


async def test_whatever_way_one_looks_a_claim_that_has_ended_is_no_more(
    house: House, space: Space, clock: MovableClock
) -> None:
    hers = house.spaces.open("tasks", ANN)
    for number in range(4):
        hub = await space.put("the garden")
        task = await space.put("paint the fence", metadata=PENDING, references={"of": [hub.id]})
        await space.update(hub.id, comment="refers", references={"has": [task.id]})
        await hers.claim(task.id, lease=60)
        assert {"claimed"} == {atom.metadata["status"] for atom in await space.referrers(hub.id)}
        clock.move(seconds=60)
        if number == 0:
            assert [atom.metadata for atom in await space.referrers(hub.id)] == [PENDING]
        elif number == 1:
            links = await space.traverse(hub.id, "has", depth=2)
            assert [link.atom.metadata for link in links if link.atom] == [PENDING]
        elif number == 2:
            assert (await space.history(task.id))[-1].comment == "free again: the claim of ann has ended"
        else:
            assert "status: pending" not in await space.compare(task.id, 1)
        free = await space.update(task.id, comment="looked at", metadata={"seen": True}) if number < 2 else None
        assert not free or free.version == 4


async def test_a_lease_that_somebody_writes_by_hand_ends_nothing(space: Space, clock: MovableClock) -> None:
    hub = await space.put("the garden")
    await space.put("mine", metadata={"owner": "me", "lease": clock.now()}, references={"of": [hub.id]})
    assert [atom.metadata["owner"] for atom in await space.referrers(hub.id)] == ["me"]


async def test_hundreds_of_claims_that_end_at_once_are_all_given_back_to_whoever_looks(
    house: House, space: Space, clock: MovableClock
) -> None:
    hers = house.spaces.open("tasks", ANN)
    tasks = [await asyncio.gather(*(space.put("", metadata=PENDING) for _ in range(300))) for _ in range(2)]
    for some in tasks:
        await asyncio.gather(*(hers.claim(task.id, lease=60) for task in some))
    clock.move(seconds=61)
    assert (await space.get(tasks[-1][-1].id)).metadata == PENDING
    for some in tasks:
        await asyncio.gather(*(hers.claim(task.id, lease=60) for task in some))
    clock.move(seconds=61)
    assert len(await space.search(metadata=PENDING, limit=1000)) == 600
