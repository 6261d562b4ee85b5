"""Workers share the work: one ends in order, another takes over, and none does anything while nothing happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House
from core.models.llm import Message
from core.testing import MovableClock, ScriptedLLM
from core.worker import MAX_CONCURRENT_TURNS, Worker
from tests.core.scenes import said, seat, tell, working


class PatientLLM:
    """A model that answers when it is let, and says when it was asked."""

    name = "patient"

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked = asyncio.Event()
        self.let = asyncio.Event()

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        self.asked.set()
        await self.let.wait()
        yield self.answer


async def test_a_worker_asked_to_end_finishes_the_turns_under_way(house: House) -> None:
    await seat(house)
    llm = PatientLLM("It is done.")
    worker = Worker(house, "", "", llm=llm)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await tell(house, "Do it")
        await llm.asked.wait()
        draining = group.create_task(worker.drain(20))
        llm.let.set()
        await draining
        running.cancel()
    assert [atom.content for atom in await said(house)] == ["It is done."]


async def test_what_a_worker_does_not_finish_in_time_another_takes_up_without_waiting_for_the_lease(
    house: House,
) -> None:
    await seat(house)
    first, second = PatientLLM("from the first"), ScriptedLLM("from the second")
    worker = Worker(house, "", "", llm=first, lease=600)
    async with asyncio.timeout(30):
        task = asyncio.create_task(worker.run())
        await tell(house, "Do it")
        await first.asked.wait()
        await worker.drain(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert not await house.store.run("EXISTS", house.store.keys.lease("assistant"))
        async with working(house, second):
            assert [atom.content for atom in await said(house)] == ["from the second"]


async def test_a_worker_that_drains_takes_no_new_turn(house: House) -> None:
    await seat(house)
    first, second = ScriptedLLM(lambda _: "from the first"), ScriptedLLM(lambda _: "from the second")
    worker = Worker(house, "", "", llm=first)
    async with asyncio.timeout(30):
        task = asyncio.create_task(worker.run())
        await tell(house, "one")
        await said(house)
        await worker.drain(5)
        async with working(house, second):
            await tell(house, "two")
            answers = [atom.content for atom in await said(house, 2)]
        task.cancel()
        await asyncio.wait([task])
    assert answers == ["from the first", "from the second"]


async def test_an_agent_at_work_for_one_cause_does_not_wait_behind_all_those_of_another(house: House) -> None:
    """With more agents of one cause than a worker has places, the one of the other cause is among the next."""
    asked: asyncio.Queue[str] = asyncio.Queue()
    let = asyncio.Semaphore(0)

    class Gate:
        name = "gate"

        async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
            asked.put_nowait(messages[0].text.partition("I am ")[2].partition(".")[0])
            await let.acquire()
            yield ""

    async def one(name: str, cause: str) -> None:
        room = f"room-{name}"
        await house.spaces.create(room)
        agent = Agent(id=name, instructions=f"I am {name}.", spawner="assistant", cause=cause)
        await house.agents.seat(agent, {room: Permission.WRITE}, (room,))
        await house.spaces.open(room).put("Begin", comment="begin")

    many = MAX_CONCURRENT_TURNS + 8
    await seat(house)
    for number in range(many):
        await one(f"many-{number:02}", "chat/1")
    await one("single", "chat/2")
    async with working(house, Gate()):
        first = {await asked.get() for _ in range(MAX_CONCURRENT_TURNS)}
        let.release()
        let.release()
        assert "single" in first | {await asked.get(), await asked.get()}
        for _ in range(many + 1):
            let.release()


async def test_a_day_in_which_nothing_happens_costs_no_call_of_a_model(house: House, clock: MovableClock) -> None:
    await seat(house)
    await house.timers.prepare()
    llm = ScriptedLLM(lambda _: "Hello.")
    async with working(house, llm, lease=0.3):
        await tell(house, "Good night")
        await said(house)
        timer = await house.timers.set_timer((clock.now() + timedelta(days=1)).isoformat(), "the day is over")
        for _ in range(24):
            clock.move(hours=1)
        async for change in house.spaces.open("timers").follow(0):
            if change.atom == timer.id and change.comment.startswith("timer fired"):
                break
    assert len(llm.seen) == 1
