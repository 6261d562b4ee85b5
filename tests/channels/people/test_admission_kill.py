"""Whatever dies between a stranger's first word and its answer, nothing of it is lost, doubled, or let in by itself."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from channels.people.people import People
from core.house import House
from core.redis.link import Argument, Link
from core.settings import Settings
from core.spaces.spaces import Spaces
from core.store.store import Store
from core.trust.approvals import Approvals
from tests.channels.scenes import ACCOUNT, card, decide, next_admitted, people_of, up_to_now, written


class Died(BaseException):
    """The process is gone."""


class MortalLink(Link):
    """A way to Redis of a process that dies after so many commands."""

    def __init__(self, link: Link, commands: int) -> None:
        super().__init__(link.address)
        self._real = link
        self._left = commands

    async def ask(self, *commands: Sequence[Argument]) -> list[Any]:
        if self._left == 0:
            raise Died
        self._left -= 1
        return await self._real.ask(*commands)


def mortal(house: House, commands: int) -> People:
    assert isinstance(house.store.link, Link)
    store = Store(MortalLink(house.store.link, commands), house.store.keys, house.clock)
    spaces = Spaces(store, house.notifications, house.embedder)
    return People(spaces, Approvals(spaces))


async def test_finding_who_writes_takes_one_round_trip(house: House) -> None:
    ana = await people_of(house).persons.add("Ana", ["slack/T1:U7"])
    assert await mortal(house, 1).find(ACCOUNT, "T1:U7") == ana
    assert await mortal(house, 1).find(ACCOUNT, "T1:U8") is None
    assert await mortal(house, 1).room(ACCOUNT, "C9") is None


@pytest.mark.parametrize("commands", range(1, 30, 2))
async def test_a_request_cut_off_at_any_step_is_whole_when_the_message_comes_again(house: House, commands: int) -> None:
    try:
        said = await mortal(house, commands).request_admission(ACCOUNT, written())
    except Died:
        said = ""
    people = people_of(house)
    again = await people.request_admission(ACCOUNT, written())
    assert said in ("", again)
    (request,) = await people.waiting()
    assert request.code in again
    assert request.code in (await card(house)).content
    await decide(house, "allow")
    (admitted,) = await up_to_now(house, people)
    assert [message.id for message in admitted.messages] == ["m1"]


@pytest.mark.parametrize("commands", range(0, 24, 2))
async def test_letting_in_that_dies_at_any_step_is_done_when_it_is_said_again(house: House, commands: int) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written())
    (request,) = await people.waiting()
    try:
        await mortal(house, commands).allow(request.id)
    except Died:
        if await people.waiting():
            await people.allow(request.id)
    admitted = await next_admitted(people)
    assert [message.id for message in admitted.messages] == ["m1"]
    await people.played(admitted)
    assert [person.name for person in await people.all()] == ["Ana"]
    assert await people.requests.all() == []
    assert await house.approvals.waiting() == []


@pytest.mark.parametrize("commands", range(0, 26, 2))
async def test_linking_that_dies_at_any_step_is_done_when_the_message_comes_again(house: House, commands: int) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written("before", "T1:U1", id="m0"))
    message = written(await people.link_code(), "T1:U1", id="m1", name="Olga")
    try:
        await mortal(house, commands).redeem(ACCOUNT, message)
    except Died:
        assert "linked now" in str(await people.redeem(ACCOUNT, message))
    assert (await people.get("owner")).accounts == ("slack/T1:U1",)
    assert [person.id for person in await people.all()] == ["owner"]
    (admitted,) = await up_to_now(house, people)
    assert [message.text for message in admitted.messages] == ["before"]
    assert await house.approvals.waiting() == []


async def test_a_reader_that_is_killed_before_it_has_played_loses_nothing(
    house: House, settings: Settings, redis_url: str
) -> None:
    people = people_of(house)
    for n in range(3):
        await people.request_admission(ACCOUNT, written(f"word {n}", id=f"m{n}"))
    await decide(house, "allow")
    told = [str(settings.home), settings.namespace, redis_url, house.clock.now().isoformat()]
    program = [sys.executable, "-m", "tests.channels.mortal_reader", *told]
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
        assert process.stdout
        async with asyncio.timeout(30):
            assert (await process.stdout.readline()).decode() == "m0 m1 m2\n"
        process.kill()
        await process.wait()
    admitted = await next_admitted(people)
    assert [message.text for message in admitted.messages] == ["word 0", "word 1", "word 2"]
    await people.played(admitted)
    assert await up_to_now(house, people) == []
