"""Fixtures for every test: a real Redis, a namespace of its own, the real models, and an empty house."""

import inspect
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from zoneinfo import ZoneInfo

import hypothesis
import pytest
import pytest_asyncio
from redis import Redis

from channels.keys import ChannelKeys
from core.house import House, open_house
from core.models.embeddings import LocalEmbedder
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load
from core.store.keys import Keys
from core.testing import MovableClock

hypothesis.settings.register_profile("stoa", deadline=None)  # a busy machine is no fault of an example
hypothesis.settings.load_profile("stoa")

START = datetime(2026, 11, 22, 14, 30, tzinfo=ZoneInfo("Europe/Paris"))


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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedder() -> AsyncIterator[LocalEmbedder]:
    """The real models, loaded once a test process."""
    async with LocalEmbedder() as embedder:
        yield embedder


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(START)


@pytest.fixture
def settings(tmp_path: Path, namespace: str) -> Settings:
    return load(home=tmp_path, namespace=namespace, timezone="Europe/Paris")


@pytest_asyncio.fixture
async def house(
    settings: Settings, redis_url: str, clock: MovableClock, embedder: LocalEmbedder
) -> AsyncIterator[House]:
    """An empty house."""
    async with open_house(settings, redis_url, clock=clock, embedder=embedder) as house:
        yield house
