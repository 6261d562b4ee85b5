"""When the process that serves an account is killed, another does within seconds, and what was told is answered."""

import asyncio
import time

from benchmarks.conversations_worker import SLOW, process
from bots.seed import seed
from channels.accounts import Accounts
from channels.people.people import People
from core.house import House
from core.settings import Settings
from core.store.leases import ACCOUNT_LEASE_SECONDS
from tests.rigs.slack.rig import Rig


async def test_what_was_told_to_a_process_that_was_killed_is_answered_by_the_next_one_once(
    house: House, settings: Settings, redis_url: str, rig: Rig
) -> None:
    await seed(house)
    await Accounts(house.store).save(rig.account())
    people = People(house.spaces, house.approvals)
    await people.persons.link("owner", f"slack/{rig.sender('alice')}", "Alice")
    dm = await rig.dm("alice")

    async def acknowledged() -> bool:
        log = (await rig.look())["log"]
        return any(one["type"] == "message" and one.get("acknowledged") for one in log)

    async def answered() -> bool:
        return f"answer {SLOW}, after a while" in await rig.texts(dm)

    made = (redis_url, settings.namespace, settings.home, True, rig.environment())
    async with asyncio.timeout(60), process(*made) as first:
        await rig.connected()
        async with process(*made) as second:
            assert second.stdout
            await second.stdout.readline()
            await rig.say("alice", dm, f"question {SLOW}")
            await rig.until(acknowledged)
            first.kill()
            killed = time.monotonic()
            await first.wait()
            await rig.connected(0)
            await rig.connected()
            assert time.monotonic() - killed < ACCOUNT_LEASE_SECONDS + 2
            await rig.until(answered, patience=30)
            await rig.say("alice", dm, "question 1")
            await rig.until(lambda: _contains(rig, dm, "answer 1"), patience=30)
            assert await rig.texts(dm) == [f"answer {SLOW}, after a while", "answer 1"]


async def _contains(rig: Rig, dm: str, text: str) -> bool:
    return text in await rig.texts(dm)
