"""What every test may ask for: a real Redis, and a namespace in it that is its own."""

import inspect
import secrets
from collections.abc import AsyncIterator, Iterator
from fnmatch import fnmatchcase

import pytest
import pytest_asyncio
from redis import Redis

from channels.keys import ChannelKeys
from core.redis.server import EmbeddedRedis
from core.store.keys import Keys


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of an embedded Redis that this test process has to itself."""
    async with EmbeddedRedis(tmp_path_factory.mktemp("home")) as server:
        yield server.url


@pytest.fixture
def namespace(redis_url: str) -> Iterator[str]:
    """A fresh namespace. What a test leaves is removed; core/store/keys.py or channels/keys.py must know its keys."""
    name = f"test-{secrets.token_hex(6)}"
    yield name
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        left = list(redis.scan_iter(f"{name}[-:]*", count=1000))
        if left:
            redis.unlink(*left)
        for index in redis.execute_command("FT._LIST"):
            if index.startswith(f"{name}:"):
                redis.execute_command("FT.DROPINDEX", index)
    known = [*patterns(Keys(name)), *patterns(ChannelKeys(name))]
    strays = [key for key in left if not any(fnmatchcase(key, pattern) for pattern in known)]
    assert not strays, f"neither core/store/keys.py nor channels/keys.py knows these keys: {strays}"


def patterns(keys: Keys | ChannelKeys) -> list[str]:
    """A pattern for each kind of key: what its method answers when every argument is a wildcard."""
    return [
        method(*"*" * len(inspect.signature(method).parameters))
        for name, method in inspect.getmembers(keys, inspect.ismethod)
        if not name.startswith("_")
    ]
