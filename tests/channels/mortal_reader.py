"""A bridge that hears whom the owner has let in and is killed before it has played anything.

It is told what time it is, so that it lives in the time of the test that starts it.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from channels.people.people import People
from core.house import open_house
from core.settings import load
from core.testing import MovableClock


async def read(home: str, namespace: str, url: str, now: str) -> None:
    clock = MovableClock(datetime.fromisoformat(now))
    async with open_house(load(home=Path(home), namespace=namespace), url, clock=clock) as house:
        async for admitted in People(house.spaces, house.approvals).decisions():
            print(*(message.id for message in admitted.messages), flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(read(*sys.argv[1:]))
