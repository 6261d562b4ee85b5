"""Leases: a right that lasts as long as its holder is heard of, and what is done under it ends when it is lost."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from core.errors import LeaseLost, StoreUnavailable
from core.store.store import Store


@contextlib.asynccontextmanager
async def keeping(renew: Callable[[], Awaitable[bool]], every: float, lost: str) -> AsyncIterator[None]:
    """Renew a lease every so many seconds; ends with `LeaseLost(lost)` once `renew` answers False."""
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


RENEW_SCRIPT = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
RELEASE_SCRIPT = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
ACCOUNT_LEASE_SECONDS = 4.0
"""How long a lease outlives the last word of its holder."""


class Lease:
    """The right of one process to serve what is called `name`, such as an account."""

    def __init__(self, store: Store, key: str, name: str, seconds: float = ACCOUNT_LEASE_SECONDS) -> None:
        self._store = store
        self._name = name
        self._key = key
        self._seconds = seconds
        self._token = secrets.token_hex(8)
        self._until = 0.0

    def check(self) -> None:
        """Raises `LeaseLost` if the lease may be another's by now, as after a process stood still."""
        if time.monotonic() >= self._until:
            raise LeaseLost(f"Another process may serve {self._name} by now.")

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait until the lease is free, then hold it; ends with `LeaseLost` when it is gone."""
        while not await self._take():  # noqa: ASYNC110 - the holder is in another process
            await asyncio.sleep(self._seconds / 8)
        try:
            async with keeping(self._renew, self._seconds / 4, f"Another process serves {self._name} now."):
                yield
        finally:
            self._until = 0.0
            with contextlib.suppress(StoreUnavailable):  # then the lease ends by itself
                await self._store.run("EVAL", RELEASE_SCRIPT, 1, self._key, self._token)

    async def _renew(self) -> bool:
        began = time.monotonic()
        try:
            kept = await self._store.run("EVAL", RENEW_SCRIPT, 1, self._key, self._token, self._milliseconds)
        except StoreUnavailable:
            return began < self._until
        self._until = began + self._seconds if kept else 0.0
        return bool(kept)

    async def _take(self) -> bool:
        began = time.monotonic()
        taken = await self._store.run("SET", self._key, self._token, "NX", "PX", self._milliseconds)
        self._until = began + self._seconds if taken else 0.0
        return bool(taken)

    @property
    def _milliseconds(self) -> int:
        return round(self._seconds * 1000)
