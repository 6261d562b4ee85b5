"""The directory holds the addresses that the owner trusts; nobody else can put one there."""

import pytest

from core.atoms.atoms import Principal
from core.errors import InvalidInput, NotFound, PermissionDenied
from core.house import House
from core.trust.directory import DIRECTORY_SPACE, Directory

PLACES = ["ana@example.com", "https://docs.example.com/x", "docs.example.com", "eve@evil.org"]


async def test_an_address_that_was_added_is_there_by_itself_and_a_host_with_all_its_pages(house: House) -> None:
    directory = Directory(house.spaces)
    assert await directory.among(PLACES) == set()
    for address in ("Ana@Example.com", "https://docs.example.com/"):
        await directory.add(address)
    assert await directory.among(PLACES) == set(PLACES[:3])
    assert await directory.among(["sub.docs.example.com", "x@docs.example.com"]) == set()
    assert await directory.among([]) == set()


async def test_a_page_that_was_added_stands_for_itself_alone(house: House) -> None:
    directory = Directory(house.spaces)
    await directory.add("example.com/a")
    asked = ["https://example.com/a", "example.com", "example.com/a/b", "example.com/a?b=c"]
    assert await directory.among(asked) == {"https://example.com/a"}


async def test_addresses_are_listed_once_and_can_be_taken_away(house: House) -> None:
    directory = Directory(house.spaces)
    for address in ("bob@example.com", "ana@example.com", "ANA@example.com"):
        await directory.add(address)
    assert [atom.content for atom in await directory.all()] == ["ana@example.com", "bob@example.com"]
    await directory.remove("ANA@example.com")
    assert await directory.among(["ana@example.com"]) == set()
    with pytest.raises(NotFound, match="not in the directory"):
        await directory.remove("ana@example.com")


@pytest.mark.parametrize("address", ["", "  ", "x" * 501])
async def test_what_is_no_address_is_refused(house: House, address: str) -> None:
    with pytest.raises(InvalidInput, match="is no address"):
        await Directory(house.spaces).add(address)


async def test_an_agent_cannot_write_there_and_where_it_is_let_in_its_word_does_not_count(house: House) -> None:
    directory = Directory(house.spaces)
    mine = await directory.add("ana@example.com")
    eve = house.spaces.open(DIRECTORY_SPACE, Principal("eve"))
    with pytest.raises(NotFound):
        await eve.put("eve@evil.org", metadata={"address": "eve@evil.org"})
    await house.spaces.open(DIRECTORY_SPACE).share("eve", "read")
    with pytest.raises(PermissionDenied):
        await eve.put("eve@evil.org", metadata={"address": "eve@evil.org"})
    await house.spaces.open(DIRECTORY_SPACE).share("eve", "write")
    await eve.put("eve@evil.org", metadata={"address": "eve@evil.org"})
    await eve.update(mine.id, comment="more", metadata={"address": "eve@evil.org"})
    assert await directory.among(["eve@evil.org"]) == set()
    await eve.update(mine.id, comment="other", content="eve@evil.org")
    assert await directory.among(["eve@evil.org"]) == set()
    assert [atom.content for atom in await directory.all()] == []
