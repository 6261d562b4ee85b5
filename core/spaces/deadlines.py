"""Deadlines: does what is due in a space at its time, or later if nothing ran or the store was away."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from core.errors import Conflict, StoreUnavailable
from core.spaces.spaces import Space
from core.times.clock import Clock


async def keep(space: Space, clock: Clock, fire: Callable[[], Awaitable[datetime]]) -> None:
    """Call `fire`, which does what is due and answers when to look again; at each change of the space look at once.

    Any number of workers may keep the same deadlines, so what `fire` does must be harmless to do again.
    """
    changed = asyncio.Event()
    watching = asyncio.create_task(_watch(space, await space.newest(), changed), name=f"deadlines in {space.id}")
    try:
        while True:
            changed.clear()
            try:
                moment = await fire()
            except (StoreUnavailable, Conflict):  # away for now, or moved meanwhile: look again soon
                moment = clock.now() + timedelta(seconds=1)
            waits = [asyncio.create_task(wait) for wait in (clock.sleep_until(moment), changed.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(space: Space, after: int, changed: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(StoreUnavailable):
            async for change in space.follow(after):
                after = change.seq
                changed.set()
        await asyncio.sleep(1)
