"""What the engine is told of a filter changes how long it takes, never what it finds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core.house import House, open_house
from core.search.filters import FilterScope, Query, restrict
from core.search.index import LARGE_SHARE_MIN_ATOMS, SEARCHES_PER_COUNT, Shares, by_meaning, index_name, read_hits
from core.search.query import SearchRequest
from core.settings import load
from tests.core.search_model import Hashed, vector


@pytest_asyncio.fixture
async def hashed(tmp_path: Path, namespace: str, redis_url: str) -> AsyncIterator[House]:
    async with open_house(load(home=tmp_path, namespace=namespace), redis_url, embedder=Hashed()) as house:
        yield house


@pytest.mark.parametrize("every", [1, 2, 10])
async def test_both_ways_of_the_engine_find_the_same(hashed: House, every: int) -> None:
    space = await hashed.spaces.create("space")
    for n in range(300):
        await space.put(f"text {n}", metadata={"every": [str(m) for m in (1, 2, 10) if n % m == 0]})
    found = []
    for much in (False, True):
        query = Query(much=much)
        query.filter = restrict(query, ["space"], SearchRequest(metadata={"every": str(every)}), FilterScope())
        index = index_name(hashed.store, "hashed")
        answer = await hashed.store.run(*by_meaning(index, query, vector("any text").tobytes(), 20))
        found.append([hit.key for hit in read_hits(answer)])
    assert found[0] == found[1]
    assert len(found[0]) == 20


def test_a_filter_is_counted_at_first_and_then_now_and_again() -> None:
    shares, counts = Shares(), 0
    for _ in range(3 * SEARCHES_PER_COUNT):
        query = Query("@sp:{$p0}", ["p0", "space"])
        filtered, counting = shares.asked("index", query)
        if counting:
            shares.counted(filtered, [[LARGE_SHARE_MIN_ATOMS], [LARGE_SHARE_MIN_ATOMS * 2]])
            counts += 1
    assert query.much
    assert counts == 3


def test_a_filter_that_keeps_little_or_few_is_left_to_the_engine() -> None:
    for kept, there in (
        (LARGE_SHARE_MIN_ATOMS - 1, LARGE_SHARE_MIN_ATOMS),
        (LARGE_SHARE_MIN_ATOMS, LARGE_SHARE_MIN_ATOMS * 50),
    ):
        shares, query = Shares(), Query("*")
        filtered, _ = shares.asked("index", query)
        shares.counted(filtered, [[kept], [there]])
        shares.asked("index", query)
        assert not query.much
