"""A worker may die at any moment around a wait: the program goes on once, and what it does is done once."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import open_house
from core.settings import load
from tests.core.mortal_worker import Flat
from tests.core.scenes import tell

WORKER = ("-m", "tests.core.mortal_waiter")


@contextlib.asynccontextmanager
async def process(*arguments: str | Path | int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process, gone in any case when the test is over."""
    started = await asyncio.create_subprocess_exec(sys.executable, *WORKER, *map(str, arguments))
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()


@pytest.mark.parametrize(
    "turn, dies_at",
    [
        pytest.param(turn, call, marks=() if call in often else pytest.mark.soak)
        for turn, calls, often in ((1, 36, {2, 20, 36}), (2, 29, {1, 17, 29}))
        for call in range(1, calls + 1)
    ],
)
async def test_a_worker_killed_around_a_wait_loses_and_doubles_nothing(
    redis_url: str, namespace: str, tmp_path: Path, turn: int, dies_at: int
) -> None:
    async with open_house(load(home=tmp_path, namespace=namespace), redis_url, embedder=Flat()) as house:
        await house.spaces.create("chat")
        agent = Agent(id="assistant", instructions="", speaks_in="chat")
        await house.agents.seat(agent, {"chat": Permission.WRITE}, ("chat",))
        chat = house.spaces.open("chat")
        asked = await tell(house, "Do it later")  # before there is a worker, whose first turn then is about it
        async with process(redis_url, namespace, tmp_path, turn, dies_at) as mortal:
            async with asyncio.timeout(30):
                assert await mortal.wait() == -signal.SIGKILL
        keys = house.store.keys
        dealt_with = await house.notifications.cursor("assistant", "chat")
        assert dealt_with is not None
        if turn == 1:
            (message,) = [change.seq for change in await chat.changes() if change.atom == asked.id][:1]
            assert dealt_with < message, "it died when the first turn was over"
        else:
            assert await house.store.run("EXISTS", keys.programs("assistant")), "it died when the program had gone on"
        async with process(redis_url, namespace, tmp_path, 0, 0), asyncio.timeout(30):
            async for change in chat.follow(0):
                if change.comment.startswith("It is done"):
                    break
            while await house.store.run("EXISTS", keys.lease("assistant"), keys.programs("assistant")):
                await asyncio.sleep(0.02)
        told = [(c.operation, c.comment.partition(":")[0]) for c in await chat.changes() if c.atom]
        assert told == [("put", "Do it later"), ("put", "before"), ("update", "after"), ("put", "It is done")]
        answer = await chat.get((await chat.changes())[-1].atom)
        assert answer.references == {"reply_to": [asked.id]}
