"""Showing one answer in one conversation: once, in order, whatever breaks off in between."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from channels.contract import Channel, ChannelClosed, Confirms, Edits, Later, OutboundMessage, Undeliverable, Unusable
from channels.keys import channel_keys
from core.store.store import Store

NO_RECEIPT = ""
"""What stands for a receipt while nobody knows whether the platform has taken the message."""
OUTBOX_SECONDS = 30 * 86_400
"""Seconds an entry stays after its last change."""


class Outbox:
    """What has been sent to one conversation, by what it was sent for (an atom) and part by part."""

    def __init__(self, store: Store, subscriber: str) -> None:
        self._store = store
        self._subscriber = subscriber

    async def receipts(self, atom: str) -> list[str]:
        """What the platform called each part so far; `NO_RECEIPT` where a send was begun and its end is not known."""
        return [receipt.decode() for receipt in await self._store.run("LRANGE", self._entry(atom), 0, -1)]

    async def begin(self, atom: str) -> None:
        """A part is about to be sent."""
        await self._store.together(
            ["RPUSH", self._entry(atom), NO_RECEIPT], ["EXPIRE", self._entry(atom), OUTBOX_SECONDS]
        )

    async def sent(self, atom: str, receipt: str) -> None:
        """The platform has taken the part that was begun last, and calls it `receipt`."""
        await self._store.together(
            ["LSET", self._entry(atom), -1, receipt],
            ["SET", channel_keys(self._store).receipt(self._subscriber, receipt), atom, "EX", OUTBOX_SECONDS],
        )

    async def atom(self, receipt: str) -> str:
        """Which atom the platform's message shows; empty where none of ours is known by that name."""
        found = await self._store.run("GET", channel_keys(self._store).receipt(self._subscriber, receipt))
        return found.decode() if found else ""

    def _entry(self, atom: str) -> str:
        return channel_keys(self._store).outbox(self._subscriber, atom)


RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""How many seconds lie between the attempts to deliver one message."""
UNREACHABLE_PAUSE_SECONDS = 30.0
"""Seconds between two attempts while a platform cannot be reached at all: that is waited for, however long."""
MAX_REQUESTED_WAIT_SECONDS = 300.0
"""The most seconds a platform is waited for when it asks to wait, in all, for one message."""

Part = Callable[[str], Awaitable[str]]
"""Shows a part of an answer under the name it is given, and answers what the platform calls it."""

log = logging.getLogger(__name__)


class Delivery:
    """The way to one conversation of a channel."""

    def __init__(
        self, channel: Channel, conversation: str, outbox: Outbox, patience: Sequence[float] = RETRY_SECONDS
    ) -> None:
        self.channel = channel
        self.conversation = conversation
        self._outbox = outbox
        self._patience = patience

    async def show(self, atom: str, text: str, begun: str = "", files: Sequence[Part] = ()) -> None:
        """Show the text of an atom, in as many messages as the platform needs, then its files; parts that were shown
        already are not shown again. `begun` is a message that shows the beginning of the text: it becomes the first.

        Raises `Undeliverable` saying why it could not be shown, and `ChannelClosed`.
        """
        done = await self._outbox.receipts(atom)
        texts = self.channel.dialect.messages(text) if text.strip() else []
        for number in range(len(texts) + len(files)):
            if number < len(done) and done[number] != NO_RECEIPT:
                continue
            key = f"{atom}:{number}"
            receipt = None
            if number >= len(done):  # not begun before a crash
                await self._outbox.begin(atom)
            if number >= len(texts):
                part = files[number - len(texts)]
                await self._outbox.sent(atom, await self.tried(lambda: part(key)))  # noqa: B023 - called at once
                continue
            message = OutboundMessage(self.conversation, texts[number], key)
            if number == 0 and begun:
                receipt = await self.made_whole(begun, message)
            if receipt is None and number < len(done):
                receipt = await self.find(message)
            await self._outbox.sent(atom, receipt or await self.tried(lambda: self.channel.send(message), message))  # noqa: B023

    async def made_whole(self, id: str, message: OutboundMessage) -> str | None:
        """The message `id`, now that it shows this instead; None where it cannot be made to."""

        async def edit() -> str:
            assert isinstance(self.channel, Edits)
            return id if await self.channel.edit(id, message) else ""

        try:
            return await self.tried(edit) or None
        except Undeliverable:
            return None

    async def tried(self, send: Callable[[], Awaitable[str]], message: OutboundMessage | None = None) -> str:
        """Send something, trying again for a while, and for as long as the platform is away; raises `Undeliverable`."""
        waited = 0.0
        pauses = iter(self._patience)
        while True:
            try:
                return await send()
            except (ChannelClosed, Undeliverable, Unusable):
                raise
            except Later as error:
                pause: float | None = error.seconds if waited + error.seconds <= MAX_REQUESTED_WAIT_SECONDS else None
                waited += error.seconds
                failure: Exception = error
            except (OSError, TimeoutError) as error:
                pause, failure = next(pauses, UNREACHABLE_PAUSE_SECONDS), error
            except Exception as error:  # noqa: BLE001 - one delivery: tried again, then told
                pause, failure = next(pauses, None), error
            log.warning("%s did not take a message: %r", self.channel.name, failure)
            if pause is None:
                why = (
                    str(failure) if isinstance(failure, Later) else "something went wrong on the way; it is in the log"
                )
                raise Undeliverable(why) from failure
            await asyncio.sleep(pause)
            if message and not isinstance(failure, Later) and (receipt := await self.find(message)):
                return receipt

    async def find(self, message: OutboundMessage) -> str | None:
        """What the platform calls the message if it is known to have taken it."""
        if not isinstance(self.channel, Confirms):
            return None
        try:
            return await self.channel.find(message)
        except (ChannelClosed, Unusable):
            raise
        except Exception as error:  # noqa: BLE001 - not known: then it is sent, twice perhaps
            log.warning("%s cannot say whether it took a message: %r", self.channel.name, error)
            return None
