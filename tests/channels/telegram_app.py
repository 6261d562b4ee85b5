"""What the tests of Telegram share: a channel on the stand-in whose messages are kept as they come."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from channels.telegram.channel import Telegram
from tests.channels.slack_app import Heard, hearing
from tests.rigs.telegram.rig import TelegramRig


@asynccontextmanager
async def telegram_listening(rig: TelegramRig, **options: str) -> AsyncIterator[tuple[Telegram, Heard]]:
    """A channel that is connected, and what it hears."""
    async with Telegram(rig.account(**options), rig.secrets()) as telegram, hearing(telegram) as heard:
        await rig.until(lambda: rig.bot.hook if options.get("mode") == "webhook" else rig.bot.poller)
        yield telegram, heard
