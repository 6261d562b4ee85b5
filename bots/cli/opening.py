"""Opening the house for one command, and the space that a person named."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from core.errors import NotFound, StoreUnavailable
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load
from core.spaces.spaces import Space


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[House]:
    """The house for one command, whether Stoa is running or not."""
    settings = load()
    async with redis(settings) as (url, _), open_house(settings, url) as house:
        yield house


@contextlib.asynccontextmanager
async def redis(settings: Settings, *, join: bool = False) -> AsyncIterator[tuple[str, EmbeddedRedis | None]]:
    """The URL of the configured Redis, and the embedded server if it is one.

    A running embedded server is used; otherwise one is started and stopped again, unless `join` forbids it.
    """
    if settings.redis_url:
        yield settings.redis_url, None
    else:
        async with EmbeddedRedis(settings.home, join=join, max_bytes=settings.redis_bytes) as server:
            yield server.url, server


async def until_death(server: EmbeddedRedis | None) -> None:
    """Raise `StoreUnavailable` when the embedded Redis dies; without one, wait forever."""
    if server is None:
        await asyncio.Event().wait()
    else:
        raise StoreUnavailable(await server.died())


async def existing_space(house: House, name: str) -> Space:
    """The space called `name`; raises `NotFound` with the names that exist."""
    names = await house.spaces.names()
    if name not in names:
        there = f"Spaces: {', '.join(names)}." if names else "There are none yet; `stoa run` creates the first ones."
        raise NotFound(f"There is no space {name!r}. {there}")
    return house.spaces.open(name)
