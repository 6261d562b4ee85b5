"""Hosts: whom others than the owner talk to holds the conversation and what was shared with them, nothing else."""

import pytest

from bots.hosts import seats
from bots.seed import seed
from channels.bridge.bindings import bound
from core.atoms.atoms import Origin, Principal
from core.atoms.permissions import Permission
from core.house import House

BOB = Principal("person:bob", Origin.OUTSIDE)
HOST = Principal("host-chat-bob")
DIRECT = bound("slack", "D1", "chat-bob", "bob")


@pytest.fixture
async def furnished(house: House) -> House:
    await seed(house)
    return house


async def test_a_host_sees_its_conversation_and_nothing_of_the_owners(furnished: House) -> None:
    await seats(furnished)(DIRECT, "", BOB)
    assert await furnished.spaces.held(HOST) == {"chat-bob": Permission.WRITE}


async def test_a_host_has_what_was_shared_with_the_person_for_as_long_as_they_have_it(furnished: House) -> None:
    seat = seats(furnished)
    recipes = await furnished.spaces.create("recipes")
    await recipes.share(BOB.id, "read")
    for _ in range(2):
        await seat(DIRECT, "", BOB)
    assert await furnished.spaces.held(HOST) == {"chat-bob": Permission.WRITE, "recipes": Permission.READ}
    await recipes.revoke(BOB.id)
    assert await furnished.spaces.held(HOST) == {"chat-bob": Permission.WRITE}


async def test_nobody_gets_more_through_a_host_than_to_write(furnished: House) -> None:
    await (await furnished.spaces.create("recipes")).share(BOB.id, "grant")
    await seats(furnished)(DIRECT, "", BOB)
    assert (await furnished.spaces.held(HOST))["recipes"] == Permission.WRITE


async def test_the_host_of_a_thread_reads_what_was_said_in_its_room(furnished: House) -> None:
    seat = seats(furnished)
    await seat(bound("slack", "C1", "slack-home", ""), "", None)
    await seat(bound("slack", "C1:1", "slack-home-1", "", "C1"), "slack-home", None)
    held = await furnished.spaces.held(Principal("host-slack-home-1"))
    assert held == {"slack-home": Permission.READ, "slack-home-1": Permission.WRITE}
    assert await furnished.spaces.held(Principal("host-slack-home")) == {"slack-home": Permission.WRITE}


async def test_in_a_room_only_what_is_meant_for_the_host_wakes_it(furnished: House) -> None:
    await seats(furnished)(bound("slack", "C1", "slack-home", ""), "", None)
    home = furnished.spaces.open("slack-home")
    host = Principal("host-slack-home")
    await home.put("between us", metadata={"role": "user", "addressed": False})
    meant = await home.put("for you", metadata={"role": "user", "addressed": True})
    after = await furnished.notifications.cursor(host.id, "slack-home") or 0
    _, news = await furnished.notifications.news("slack-home", host, after)
    assert [change.atom for change in news] == [meant.id]


async def test_what_is_done_for_guests_is_bounded_by_the_day_apart_from_the_owners(furnished: House) -> None:
    await seats(furnished)(DIRECT, "", BOB)
    host = await furnished.agents.get(HOST.id)
    turn = furnished.budgets.purse(host.id, host.accounts, "chat-bob/1", "turn", furnished.clock.now(), None)
    assert [name for name in turn.accounts if name.startswith("guests")] == ["guests:2026-11-22"]
    assert furnished.budgets.limits("guests:2026-11-22") == {"tokens": 5_000_000, "dollars": 5.0}
