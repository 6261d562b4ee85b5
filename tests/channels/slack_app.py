"""What the tests of Slack share: the stand-in, and a channel on it whose messages are kept as they come."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from channels.contract import Channel, InboundMessage
from channels.slack.channel import Slack
from tests.rigs.slack.rig import Rig

log = logging.getLogger(__name__)


class Heard:
    """What a channel has yielded so far."""

    def __init__(self) -> None:
        self.messages: list[InboundMessage] = []
        self.failure: BaseException | None = None
        self._changed = asyncio.Condition()

    async def take(self, slack: Channel) -> None:
        """Take every message until the channel breaks."""
        try:
            async for message in slack.listen():
                self.messages.append(message)
                await self._tell()
        except Exception as error:
            self.failure = error
            log.warning("the channel broke", exc_info=error)
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, fits: Callable[[], bool]) -> None:
        """Wait until this is true of what was heard."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(fits)

    async def next(self, number: int = 1) -> InboundMessage:
        """The `number`th message."""
        await self.until(lambda: len(self.messages) >= number)
        return self.messages[number - 1]


@asynccontextmanager
async def hearing(slack: Channel) -> AsyncIterator[Heard]:
    """What the channel hears while the block lasts."""
    heard = Heard()
    task = asyncio.ensure_future(heard.take(slack))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def listening(rig: Rig, **options: str) -> AsyncIterator[tuple[Slack, Heard]]:
    """A channel that is connected, and what it hears."""
    async with Slack(rig.account(**options), rig.secrets()) as slack, hearing(slack) as heard:
        if options.get("mode") != "http":
            await rig.connected()
        yield slack, heard
