"""A house of its own for each test, over the real Redis and the real embedder, with a clock to move."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from core.house import House, open_house
from core.models.embeddings import LocalEmbedder
from core.settings import Settings, load
from core.testing import MovableClock

START = datetime(2026, 11, 22, 14, 30, tzinfo=ZoneInfo("Europe/Paris"))


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
