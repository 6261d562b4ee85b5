"""The store keeps what it acknowledged, says why it stopped, and takes back the backups it made."""

import gzip
from pathlib import Path

import pytest

from core.errors import StoreUnavailable
from core.house import open_house
from core.redis.checks import check_server
from core.redis.server import EmbeddedRedis, _reason
from core.settings import load
from core.store.store import client
from tests.bots.conftest import CommandLine, stoa

__all__ = ["stoa"]


async def test_a_redis_set_to_evict_is_named_and_loses_nothing(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as server, open_house(load(home=tmp_path), server.url) as house:
        used = int((await house.store.run("INFO", "memory")).decode().partition("used_memory:")[2].split()[0])
        await house.store.run("CONFIG", "SET", "maxmemory", used + 3_000_000)
        await house.store.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        link = client(server.url)
        with pytest.raises(StoreUnavailable, match="noeviction"):
            await check_server(link)
        await link.aclose()
        space = await house.spaces.create("s")
        kept = [(await space.put(f"note {number} " + "abc " * 300)).id for number in range(300)]

        assert [(await space.get(id)).id for id in kept] == kept


def test_the_ornament_in_the_log_of_redis_is_no_reason() -> None:
    started = "1:C 30 Nov 2026 21:58:00.000 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo"
    ready = "1:M 30 Nov 2026 21:58:01.000 * Ready to accept connections"

    assert _reason(f"{started}\n{ready}\n") == ""


def test_a_gzipped_backup_is_a_backup(stoa: CommandLine, tmp_path: Path) -> None:
    stoa(tmp_path / "one", "space", "create", "docs", "papers")
    backup = tmp_path / "backup.jsonl.gz"
    backup.write_bytes(gzip.compress(stoa(tmp_path / "one", "export", "-").stdout.encode()))

    assert stoa(tmp_path / "two", "import", "--yes", str(backup)).stdout == "Imported 1 space: docs.\n"
