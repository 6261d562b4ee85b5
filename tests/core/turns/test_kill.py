"""A worker may die at any moment of a turn: nothing is lost, nothing is done twice, no reply is asked for again."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.agents.agents import Agent
from core.agents.budgets import Amounts
from core.atoms.permissions import Permission
from core.house import open_house
from core.settings import load
from tests.core.mortal_worker import Flat
from tests.core.scenes import tell

WORKER = ("-m", "tests.core.mortal_worker")


@contextlib.asynccontextmanager
async def process(*arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process, gone in any case when the test is over."""
    started = await asyncio.create_subprocess_exec(sys.executable, *WORKER, *map(str, arguments))
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()


@pytest.mark.parametrize("dies_at", [1, 4, 8, 11, 14, 17, 20, 23, 26, 29, 32])
async def test_a_worker_killed_at_any_point_of_a_turn_loses_and_doubles_nothing(
    redis_url: str, namespace: str, tmp_path: Path, dies_at: int
) -> None:
    async with open_house(load(home=tmp_path, namespace=namespace), redis_url, embedder=Flat()) as house:
        for name in ("chat", "tasks"):
            await house.spaces.create(name)
        agent = Agent(id="assistant", instructions="", speaks_in="chat")
        write = Permission.WRITE
        await house.agents.seat(agent, {"chat": write, "tasks": write}, ("chat",))
        chat, tasks = house.spaces.open("chat"), house.spaces.open("tasks")
        asked = await tell(house, "Plan it")  # before there is a worker, whose first turn then is about it
        async with process(redis_url, namespace, tmp_path, str(dies_at)) as mortal:
            async with asyncio.timeout(30):
                assert await mortal.wait() == -signal.SIGKILL
        died_at = await house.notifications.cursor("assistant", "chat")
        assert died_at is not None
        assert died_at < await chat.newest(), "it died when the turn was over"
        async with process(redis_url, namespace, tmp_path, "0"), asyncio.timeout(30):
            async for change in chat.follow(0):
                if change.comment == "All done.":
                    break
            lane = house.store.keys.lease("assistant")
            while await house.store.run("EXISTS", lane):
                await asyncio.sleep(0.02)
        puts = [c.comment for c in await chat.changes() if c.operation == "put"]
        assert puts == ["Plan it", "planned", "All done."]
        (answer,) = [a for a in await chat.search() if a.content == "All done."]
        assert answer.references == {"reply_to": [asked.id]}
        (plan,) = [a for a in await chat.search() if a.content == "the plan"]
        assert [(plan.version, one.name) for one in plan.attachments] == [(1, "plan.txt")]
        assert [(a.content, a.version) for a in await tasks.search()] == [("do it!", 2)]
        times = await house.store.run("HGETALL", f"{namespace}:spaces:asked")
        assert set(times) == {b"step 0", b"step 1", b"step 2"}
        assert sum(int(n) for n in times.values()) <= 4
        (root,) = {change.cause.root for change in await chat.changes() if change.author == "assistant"}
        (account,) = await house.budgets.accounts([f"root:{root}"])
        assert (account.used.turns, account.held) == (1, Amounts())
        await house.store.run("DEL", f"{namespace}:spaces:asked")
