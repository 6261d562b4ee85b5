"""Showing one answer in one conversation: once, in order, whatever breaks off in between."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from channels.bridge.outbox import NO_RECEIPT, Outbox
from channels.bridge.rendering import Renderer, Unrenderable
from channels.contract import Channel, ChannelClosed, Confirms, Edits, Later, OutboundMessage, Undeliverable, Unusable
from core.errors import LeaseLost, StoreUnavailable

RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses between the attempts to deliver one message."""
UNREACHABLE_PAUSE_SECONDS = 30.0
"""The pause while a platform cannot be reached at all; that is waited for, however long it takes."""
MAX_REQUESTED_WAIT_SECONDS = 300.0
"""The longest wait for a platform that asks to wait, in all, for one message."""
MAX_FORMATTED_ATTEMPTS = 3
"""A message that fails so often to be rendered, or to be sent, is sent as plain text."""

Part = Callable[[str], Awaitable[str]]
"""Shows a part of an answer under the name it is given, and answers what the platform calls it."""
Result = TypeVar("Result")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failed:
    """A delivery that came to nothing."""

    error: Exception


async def attempted(delivery: Callable[[], Awaitable[Result]]) -> Result | Failed:
    """One delivery, in or out. Only here does the bridge catch broadly, so that a broken message stops no other.

    Errors that end the whole account are raised.
    """
    try:
        return await delivery()
    except (ChannelClosed, Unusable, StoreUnavailable, LeaseLost):
        raise
    except Exception as error:  # noqa: BLE001 - one delivery
        return Failed(error)


class NotSent(Undeliverable):
    """Sending failed several times for no reason that the platform gave."""


class Delivery:
    """The way to one conversation of a channel."""

    def __init__(
        self, channel: Channel, conversation: str, outbox: Outbox, retry_seconds: Sequence[float] = RETRY_SECONDS
    ) -> None:
        self.channel = channel
        self.conversation = conversation
        self.renderer = Renderer(channel.dialect)
        self._outbox = outbox
        self._retry_seconds = retry_seconds

    async def show(self, atom: str, text: str, begun: str = "", files: Sequence[Part] = ()) -> str:
        """Show the text of an atom, in as many messages as the platform needs, then its files; parts that were shown
        already are not shown again. `begun` is a message that shows the beginning of the text: it becomes the first.

        Answers why the text was shown without formatting; empty where it was not. Raises `Undeliverable` saying why it
        could not be shown, and `ChannelClosed`.
        """
        done = await self._outbox.receipts(atom)
        texts, plain = await self.rendered(text) if text.strip() else ([], "")
        for number in range(len(texts) + len(files)):
            if number < len(done) and done[number] != NO_RECEIPT:
                continue
            if number >= len(done):  # not begun before a crash
                await self._outbox.begin(atom)
            key = f"{atom}:{number}"
            if number >= len(texts):
                receipt = await self.tried(lambda: files[number - len(texts)](key))  # noqa: B023 - called at once
            else:
                message = OutboundMessage(self.conversation, texts[number], key)
                receipt, unsent = await self._show_text(message, begun if number == 0 else "", number < len(done))
                plain = plain or unsent
            await self._outbox.sent(atom, receipt)
        return plain

    async def rendered(self, text: str) -> tuple[list[str], str]:
        """The text as the channel's dialect writes it; or as plain text, and why, where that fails several times."""
        for _ in range(MAX_FORMATTED_ATTEMPTS):
            try:
                return await self.renderer.messages(text), ""
            except Unrenderable as error:
                why = str(error)
                log.warning("%s: a message of %d characters was not rendered: %s", self.channel.name, len(text), why)
        return self.channel.dialect.unrendered(text), why

    async def _show_text(self, message: OutboundMessage, begun: str, uncertain: bool) -> tuple[str, str]:
        """Show one message; answers its receipt, and why it was shown plain."""
        receipt = await self.made_whole(begun, message) if begun else None
        if receipt is None and uncertain:
            receipt = await self.find(message)
        if receipt is not None:
            return receipt, ""
        try:
            return await self.tried(lambda: self.channel.send(message), message), ""
        except NotSent as error:
            return await self._send_plain(message), str(error)

    async def _send_plain(self, message: OutboundMessage) -> str:
        receipt = NO_RECEIPT
        for number, text in enumerate(self.channel.dialect.unrendered(message.text)):
            part = OutboundMessage(message.conversation, text, f"{message.key} plain {number}")
            receipt = await self.tried(lambda: self.channel.send(part), part)  # noqa: B023 - called at once
        return receipt

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
        waited, failures, pauses = 0.0, 0, iter(self._retry_seconds)
        while isinstance(sent := await attempted(send), Failed):
            error = sent.error
            log.warning("%s did not take a message: %r", self.channel.name, error)
            waited += error.seconds if isinstance(error, Later) else 0
            failures += not isinstance(error, Later | OSError)
            await asyncio.sleep(_pause(error, waited, failures, pauses))
            if message and not isinstance(error, Later) and (receipt := await self.find(message)):
                return receipt
        return sent

    async def find(self, message: OutboundMessage) -> str | None:
        """The platform's name of the message if it is known to have taken it."""
        channel = self.channel
        if not isinstance(channel, Confirms):
            return None
        found = await attempted(lambda: channel.find(message))
        if isinstance(found, Failed):  # then it is sent, twice perhaps
            log.warning("%s cannot say whether it took a message: %r", channel.name, found.error)
            return None
        return found


def _pause(error: Exception, waited: float, failures: int, pauses: Iterator[float]) -> float:
    """Seconds until the next attempt after this error; raises `Undeliverable` where there is none."""
    match error:
        case Undeliverable():
            raise error
        case Later() if waited > MAX_REQUESTED_WAIT_SECONDS:
            raise Undeliverable(str(error)) from error
        case Later():
            return error.seconds
        case OSError():
            return next(pauses, UNREACHABLE_PAUSE_SECONDS)
    pause = next(pauses, None)
    if pause is None or failures >= MAX_FORMATTED_ATTEMPTS:
        raise NotSent("something went wrong on the way; it is in the log") from error
    return pause
