"""Growing: an answer that takes a while is shown while it is written, by editing one message until it is whole."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from channels.bridge.delivery import NO_RECEIPT
from channels.contract import Channel, Confirms, Grows, Later, OutboundMessage, Undeliverable
from channels.keys import channel_keys
from core.store.store import Store

FIND_RETRY_SECONDS = (0.1, 0.5, 1.0)
"""Seconds between the attempts to learn whether an answer has been begun."""
MAX_FIND_WAIT_SECONDS = 5.0
"""The most seconds that the platform is waited for meanwhile, at a time."""

log = logging.getLogger(__name__)


class StreamedAnswers:
    """The answers that are being written for one conversation, by the turn that writes each.

    Which message shows one is written down, before it is sent as one that is not known yet, so that whoever serves the
    conversation next makes it whole instead of sending another.
    """

    def __init__(
        self, store: Store, channel: Channel, conversation: str, subscriber: str, shown: Callable[[], Awaitable[bool]]
    ) -> None:
        """`shown` answers whether all that was said before is to be seen there: nothing grows above an older answer."""
        self._store = store
        self._channel = channel
        self._conversation = conversation
        self._key = channel_keys(store).growing(subscriber)
        self._shown = shown
        self.to = ""
        """The platform's id of whom the answers are for, where that is known."""
        self._texts: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        """Held by whoever sends, or asks or changes what was sent."""
        self._known: dict[str, str] | None = None

    def show(self, turn: str, text: str) -> None:
        """The turn has written this much; shown soon, unless its answer is whole before."""
        if not isinstance(self._channel, Grows) or not text.strip():
            return
        self._texts[turn] = text
        if turn not in self._tasks:
            self._tasks[turn] = asyncio.create_task(self._grow(turn, self._channel), name=f"answer of {turn}")

    async def begun(self, turn: str, text: str = "") -> str:
        """The message that shows the beginning of the turn's answer (`text`, where there is one), if there is any; it
        does not grow any more."""
        async with self._sending:  # else a message that is just being sent would be known to nobody
            written = self._end(turn)
            return await self._message(turn, text or written)

    async def whole(self, turn: str) -> None:
        """The message shows the whole answer now, or is no more."""
        async with self._sending:
            await self._forget(turn)

    async def drop(self, turn: str) -> None:
        """The turn has ended without an answer: take its beginning away, if one was shown."""
        async with self._sending:
            message = await self._message(turn, self._end(turn))
            if message and isinstance(self._channel, Grows):
                try:
                    await self._channel.remove(self._conversation, message)
                except (Undeliverable, Later, OSError) as error:
                    log.info("%s did not take the beginning of an answer away: %r", self._channel.name, error)
            await self._forget(turn)

    async def stop(self) -> None:
        """Let nothing grow any more; what is shown stays for whoever serves the conversation next."""
        try:
            async with self._sending:  # as in `begun`
                pass
        finally:
            for turn in list(self._tasks):
                self._end(turn)

    def _end(self, turn: str) -> str:
        """Let it grow no more; answers how far it was written."""
        if task := self._tasks.pop(turn, None):
            task.cancel()
        return self._texts.pop(turn, "")

    async def _forget(self, turn: str) -> None:
        messages = await self._messages()
        if messages.pop(turn, None) is not None:
            await self._store.run("HDEL", self._key, turn)
        self._end(turn)  # a piece of it that came late

    async def _grow(self, turn: str, channel: Grows) -> None:
        """Show what has been written, as often as the platform bears. One edge: a draft is not worth failing for."""
        shown = ""
        while True:
            await asyncio.sleep(channel.pace)
            text = self._texts.get(turn, "")
            if text == shown:
                continue
            try:
                if await self._shown():
                    async with self._sending:
                        await self._show(turn, channel, text)
                    shown = text
            except Exception as error:  # noqa: BLE001 - the answer itself is delivered whatever becomes of this
                log.info("%s did not show an answer growing: %r", self._channel.name, error)
                return

    async def _show(self, turn: str, channel: Grows, text: str) -> None:
        messages = await self._messages()
        message = self._written(turn, text)
        if shown := await self._message(turn, text):
            await channel.edit(shown, message)
            return
        await self._store.run("HSET", self._key, turn, NO_RECEIPT)
        messages[turn] = NO_RECEIPT
        messages[turn] = await self._channel.send(message)
        await self._store.run("HSET", self._key, turn, messages[turn])

    def _written(self, turn: str, text: str) -> OutboundMessage:
        parts = self._channel.dialect.messages(text)
        return OutboundMessage(
            self._conversation, parts[0] if parts else text, f"growing {turn}", growing=True, to=self.to
        )

    async def _message(self, turn: str, text: str) -> str:
        """What the platform calls the message of this turn; it is asked where that is not known."""
        messages = await self._messages()
        if messages.get(turn) == NO_RECEIPT and isinstance(self._channel, Confirms):
            for pause in FIND_RETRY_SECONDS:  # else a beginning that is there would stay beside the answer
                try:
                    messages[turn] = await self._channel.find(self._written(turn, text)) or NO_RECEIPT
                    break
                except (OSError, Later, Undeliverable) as error:
                    log.warning("%s cannot say whether an answer is begun: %r", self._channel.name, error)
                    await asyncio.sleep(
                        min(error.seconds, MAX_FIND_WAIT_SECONDS) if isinstance(error, Later) else pause
                    )
        return messages.get(turn, NO_RECEIPT)

    async def _messages(self) -> dict[str, str]:
        if self._known is None:
            found = await self._store.run("HGETALL", self._key)
            self._known = {turn.decode(): id.decode() for turn, id in found.items()}
        return self._known


def turn_of(agent: str, answers: Iterable[str]) -> str:
    """The name of a turn: who takes it, and the first of the atoms that it answers."""
    return f"{agent} {min(answers, default='')}"
