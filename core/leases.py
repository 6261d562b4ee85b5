"""Leases: a right that lasts as long as its holder is heard of, and what is done under it ends when it is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from core.errors import LeaseLost


@contextlib.asynccontextmanager
async def keeping(renew: Callable[[], Awaitable[bool]], every: float, lost: str) -> AsyncIterator[None]:
    """Renew a lease every so many seconds in here; ends with `LeaseLost`, saying `lost`, once `renew` answers False."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def go_on() -> None:
        nonlocal gone
        while not gone:
            await asyncio.sleep(every)
            gone = not await renew()
        task.cancel()

    renewing = asyncio.create_task(go_on(), name=f"a lease of {task.get_name()}")
    try:
        yield
    except asyncio.CancelledError:
        if not gone or task.uncancel():  # asked to end at the same moment: that comes first
            raise
        raise LeaseLost(lost) from None
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
