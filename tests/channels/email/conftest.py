"""A mailbox for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.rigs.email.rig import MailRig


@pytest.fixture
async def mailbox() -> AsyncIterator[MailRig]:
    async with MailRig().serving() as rig:
        yield rig
