"""Showing one answer in one conversation: once, in order, whatever breaks off in between."""

import asyncio
import logging
from collections.abc import Sequence

from channels.contract import Channel, ChannelClosed, Confirms, Later, OutboundMessage, Undeliverable
from channels.outbox import UNKNOWN, Outbox

PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
"""How many seconds lie between the attempts to deliver one message."""
LONGEST_WAIT = 300.0
"""The most seconds a platform is waited for when it asks to wait, in all, for one message."""

log = logging.getLogger(__name__)


class Delivery:
    """The way to one conversation of a channel."""

    def __init__(
        self, channel: Channel, conversation: str, outbox: Outbox, patience: Sequence[float] = PATIENCE
    ) -> None:
        self.channel = channel
        self.conversation = conversation
        self._outbox = outbox
        self._patience = patience

    async def show(self, atom: str, text: str) -> None:
        """Show the text of an atom, in as many messages as the platform needs; parts that were shown already are not
        shown again. Raises `Undeliverable` saying why it could not be shown, and `ChannelClosed`."""
        done = await self._outbox.receipts(atom)
        for number, part in enumerate(self.channel.dialect.messages(text)):
            if number < len(done) and done[number] != UNKNOWN:
                continue
            message = OutboundMessage(self.conversation, part, key=f"{atom}:{number}")
            if number == len(done):
                await self._outbox.begin(atom)
                receipt = None
            else:  # begun before a crash
                receipt = await self._find(message)
            await self._outbox.sent(atom, receipt or await self._send(message))

    async def _send(self, message: OutboundMessage) -> str:
        """Send one message, trying again for a while."""
        waited = 0.0
        pauses = iter(self._patience)
        while True:
            try:
                return await self.channel.send(message)
            except (ChannelClosed, Undeliverable):
                raise
            except Later as error:
                pause: float | None = error.seconds if waited + error.seconds <= LONGEST_WAIT else None
                waited += error.seconds
                failure: Exception = error
            except Exception as error:  # noqa: BLE001 - one delivery: tried again, then told
                pause, failure = next(pauses, None), error
            log.warning("%s did not take a message: %r", self.channel.name, failure)
            if pause is None:
                raise Undeliverable(f"{type(failure).__name__}: {failure}") from failure
            await asyncio.sleep(pause)
            if not isinstance(failure, Later) and (receipt := await self._find(message)):
                return receipt

    async def _find(self, message: OutboundMessage) -> str | None:
        """What the platform calls the message if it is known to have taken it."""
        if not isinstance(self.channel, Confirms):
            return None
        try:
            return await self.channel.find(message)
        except Exception as error:  # noqa: BLE001 - not known: then it is sent, twice perhaps
            log.warning("%s cannot say whether it took a message: %r", self.channel.name, error)
            return None
