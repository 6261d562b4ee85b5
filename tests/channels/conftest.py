"""Stand-ins for platforms, one of each a test process."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.rigs.slack.rig import Rig, program
from tests.rigs.slack.workspace import Json


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
