"""A bridge that hears whom the owner has let in and is killed before it has played anything."""

import asyncio
import sys
from pathlib import Path

from channels.people import People
from core.house import open_house
from core.settings import load


async def read(home: str, namespace: str, url: str) -> None:
    async with open_house(load(home=Path(home), namespace=namespace), url) as house:
        async for admitted in People(house.spaces, house.approvals).decisions():
            print(*(message.id for message in admitted.messages), flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(read(*sys.argv[1:]))
