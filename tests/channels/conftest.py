"""Stand-ins for platforms, one of each a test process."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.rigs.discord.rig import DiscordRig
from tests.rigs.slack.rig import Rig, program
from tests.rigs.slack.workspace import Json
from tests.rigs.telegram.rig import TelegramRig
from tests.rigs.telegram.server import running


@pytest.fixture(scope="session")
def slack_stand_in() -> Iterator[Json]:
    """The stand-in for Slack, in a process of its own."""
    with program() as facts:
        yield facts


@pytest_asyncio.fixture
async def rig(slack_stand_in: Json) -> AsyncIterator[Rig]:
    """A fresh workspace there."""
    async with Rig(slack_stand_in) as rig:
        yield rig


@pytest_asyncio.fixture
async def telegram_rig() -> AsyncIterator[TelegramRig]:
    """A fresh Telegram with a bot in it."""
    async with running() as server:
        yield TelegramRig(server)


@pytest_asyncio.fixture
async def discord_rig() -> AsyncIterator[DiscordRig]:
    """A fresh Discord with a server, three people and a bot in it."""
    async with DiscordRig() as rig:
        yield rig
