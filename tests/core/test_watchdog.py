"""A stall of the event loop is logged, with the place; a loop that only waits is not."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

import pytest

from core.watchdog import STALL_SECONDS, watch_the_loop


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[None]:
    task = asyncio.create_task(watch_the_loop())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def hold_up_the_loop(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1_000))


async def test_a_stall_is_logged_with_the_function_that_held_up_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "stoa.watchdog"):
        async with watched():
            hold_up_the_loop(5 * STALL_SECONDS)
            async with asyncio.timeout(10):
                while not caplog.messages:
                    await asyncio.sleep(0)
    assert "stood still for" in caplog.messages[0]
    assert "hold_up_the_loop" in caplog.messages[0]


async def test_the_watch_ends_with_its_task() -> None:
    async with watched():
        pass
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
