"""What the embedded Redis writes is forced onto the disk, into whichever file it writes at the moment."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from core.redis.aof import force_once
from core.redis.server import EmbeddedRedis

NOTHING = (Path(), 0)


async def test_the_file_that_is_written_is_forced_and_one_that_has_not_changed_is_known(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as redis:
        await redis.set("one", 1)
        first = force_once(server.directory, NOTHING)
        assert first[0].name == "appendonly.aof.1.incr.aof"
        assert first[1] == first[0].stat().st_size
        assert force_once(server.directory, first) == first
        await redis.set("two", 2)
        assert force_once(server.directory, first)[1] > first[1]


async def test_after_a_rewrite_it_is_the_new_file(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as redis:
        await redis.set("one", 1)
        before = force_once(server.directory, NOTHING)
        await redis.bgrewriteaof()
        while (await redis.info("persistence"))["aof_rewrite_in_progress"]:
            pass
        await redis.set("two", 2)
        assert force_once(server.directory, before)[0] != before[0]


def test_where_nothing_was_written_there_is_nothing_to_force(tmp_path: Path) -> None:
    assert force_once(tmp_path, NOTHING) == NOTHING


async def test_an_answer_comes_after_the_write_however_slow_the_disk_is(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url, decode_responses=True) as redis:
        found = await redis.config_get("append*")
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "no")


@pytest.mark.parametrize("gone", ["appendonlydir"])
def test_a_file_that_went_meanwhile_is_no_trouble(tmp_path: Path, gone: str) -> None:
    (tmp_path / gone).mkdir()
    assert force_once(tmp_path, (tmp_path / gone / "old.incr.aof", 7)) == (tmp_path / gone / "old.incr.aof", 7)
