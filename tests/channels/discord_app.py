"""What the tests of Discord share: a channel on the stand-in whose messages are kept as they come."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from channels.discord.channel import Discord
from tests.channels.slack_app import Heard, hearing
from tests.rigs.discord.rig import DiscordRig


@asynccontextmanager
async def discord_listening(rig: DiscordRig, **options: str) -> AsyncIterator[tuple[Discord, Heard]]:
    """A channel that is connected, and what it hears; without the word that a session has begun."""
    sessions = rig.gateway.identified
    async with Discord(rig.account(**options), rig.secrets()) as discord, hearing(discord) as heard:
        await rig.connected(sessions + 1)
        await heard.next()
        assert heard.messages.pop().kind == "back"
        yield discord, heard
