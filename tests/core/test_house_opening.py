"""Several processes may open the same new house at the same moment."""

import asyncio
from contextlib import AsyncExitStack

from core.house import open_house
from core.models.embeddings import LocalEmbedder
from core.settings import Settings


async def test_a_new_house_can_be_opened_by_many_at_once(
    settings: Settings, redis_url: str, embedder: LocalEmbedder
) -> None:
    async with AsyncExitStack() as stack:
        opening = [stack.enter_async_context(open_house(settings, redis_url, embedder=embedder)) for _ in range(8)]
        houses = await asyncio.gather(*opening)
        await houses[0].spaces.create("notes")
        assert all(["notes" in await house.spaces.names() for house in houses])
