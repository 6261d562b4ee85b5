"""What workers do for spaces in the background: a big one is given an index of its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest_asyncio

from core.atoms.atoms import OWNER
from core.house import House, open_house
from core.search.finder import MAX_EMBEDDED_FIRST
from core.search.index import index_name, is_whole
from core.search.indexing import MAX_WHOLE_CHARS
from core.settings import load
from core.spaces.maintenance import Tending
from core.spaces.spaces import Space
from tests.core.search_model import Hashed

BIG = 200


class Other(Hashed):
    """The same vectors under another name."""

    id = "other"


@pytest_asyncio.fixture
async def hashed(tmp_path: Path, namespace: str, redis_url: str) -> AsyncIterator[House]:
    async with open_house(load(home=tmp_path, namespace=namespace), redis_url, embedder=Hashed()) as house:
        yield house


async def fill(space: Space, count: int) -> None:
    for first in range(0, count, 500):
        puts = (space.put(f"milk {n}", metadata={"n": n % 10}) for n in range(first, min(first + 500, count)))
        await asyncio.gather(*puts)


async def indexes(house: House) -> set[str]:
    return {
        name.decode()
        for name in await house.store.run("FT._LIST")
        if name.startswith(house.settings.namespace.encode())
    }


async def whole(house: House, index: str) -> None:
    """Wait until an index is filled."""
    async with asyncio.timeout(30):
        while not await is_whole(house.store, index):
            await asyncio.sleep(0.01)


async def test_a_big_space_gets_an_index_of_its_own_that_answers_the_same(hashed: House) -> None:
    big, small = await hashed.spaces.create("big"), await hashed.spaces.create("small")
    await fill(big, BIG + 10)
    await fill(small, 20)
    before = [atom.id for atom in await big.search("milk 7", metadata={"n": 7}, limit=50)]
    tending, own = Tending(hashed.spaces, BIG), index_name(hashed.store, "hashed", "big")
    await tending.everywhere()
    assert await indexes(hashed) == {own, index_name(hashed.store, "hashed")}
    await whole(hashed, own)
    assert [atom.id for atom in await big.search("milk 7", metadata={"n": 7}, limit=50)] == before
    late = await big.put("milk 7 late", metadata={"n": 7})
    found = await big.search("milk 7", metadata={"n": 7}, limit=1000)
    assert late.id in [atom.id for atom in found]
    assert len(found) == (BIG + 10) // 10 + 1
    # It is the own index that answers: without it there is nothing to ask.
    await hashed.store.run("FT.DROPINDEX", index_name(hashed.store, "hashed"))
    assert [atom.id for atom in await big.search("milk 7", metadata={"n": 7}, limit=1000)] == [
        atom.id for atom in found
    ]


async def test_an_index_of_another_embedder_is_dropped(hashed: House, redis_url: str) -> None:
    big = await hashed.spaces.create("big")
    await fill(big, BIG)
    await Tending(hashed.spaces, BIG).everywhere()
    async with open_house(hashed.settings, redis_url, embedder=Other()) as house:
        await whole(house, index_name(house.store, "other"))
        await Tending(house.spaces, BIG).everywhere()
        assert index_name(hashed.store, "hashed", "big") not in await indexes(house)
        assert index_name(hashed.store, "other", "big") in await indexes(house)
        assert len(await house.spaces.open("big").search("milk 7", limit=5)) == 5


async def test_what_is_put_at_once_waits_for_no_vector_and_is_found_by_meaning_all_the_same(
    tmp_path: Path, namespace: str, redis_url: str
) -> None:
    free = asyncio.Event()

    class Busy(Hashed):
        async def embed(self, texts: Sequence[str]) -> list[bytes]:
            await free.wait()
            return await super().embed(texts)

    async with open_house(load(home=tmp_path, namespace=namespace), redis_url, embedder=Busy()) as house:
        space = await house.spaces.create("chat")
        atom = await space.put("The cow gives milk.", at_once=True)
        free.set()
        (found,) = await space.search("The cow gives milk.", by="meaning")
        assert found.id == atom.id


async def test_where_very_many_atoms_wait_for_their_vectors_a_search_does_not_make_all_of_them(hashed: House) -> None:
    imported, chat = await hashed.spaces.create("imported"), await hashed.spaces.create("chat")
    long = "milk " * (MAX_WHOLE_CHARS // 5 + 1)  # what is long gets its vectors afterwards
    await asyncio.gather(*(imported.put(f"{long} {n}") for n in range(MAX_EMBEDDED_FIRST + 1)))
    await chat.put(long)
    (found,) = await hashed.spaces.search(OWNER, "milk", by="meaning", limit=1)
    assert found.space == "chat"
    assert await imported.search("milk", by="meaning") == []
    await Tending(hashed.spaces).everywhere()
    assert len(await imported.search("milk", by="meaning", limit=1000)) == MAX_EMBEDDED_FIRST + 1


async def test_where_they_wait_in_several_spaces_a_search_makes_no_more_either(hashed: House) -> None:
    long, half = "milk " * (MAX_WHOLE_CHARS // 5 + 1), MAX_EMBEDDED_FIRST // 2 + 1
    waiting = [hashed.store.keys.unembedded((await hashed.spaces.create(name)).id) for name in ("a", "b", "chat")]
    await asyncio.gather(*(hashed.spaces.open(name).put(f"{long} {n}") for name in "ab" for n in range(half)))
    atom = await hashed.spaces.open("chat").put(long)
    assert atom.ref in [one.ref for one in await hashed.spaces.search(OWNER, "milk", by="meaning", limit=1000)]
    assert sorted([await hashed.store.run("SCARD", key) for key in waiting]) == [0, 0, half]
