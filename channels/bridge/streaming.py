"""Streaming: an answer that takes a while is shown while it is written, by editing one message until it is whole."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from channels.bridge.bridge import Bridge
from channels.bridge.delivery import Failed, attempted
from channels.bridge.outbox import NO_RECEIPT, ShownMessages
from channels.bridge.rendering import Renderer, Unrenderable
from channels.contract import Confirms, Grows, Later, OutboundMessage, Undeliverable
from channels.keys import channel_keys

FIND_RETRY_SECONDS = (0.1, 0.5, 1.0)
"""Pauses between the attempts to learn whether an answer was begun."""
MAX_FIND_WAIT_SECONDS = 5.0
"""The longest wait for the platform meanwhile, at a time."""

log = logging.getLogger(__name__)


class StreamedAnswers:
    """The answers that are being written for one conversation, by the turn that writes each.

    Which message shows an answer is written down before it is sent, so that the next process to serve the conversation
    completes it instead of sending another.
    """

    def __init__(self, bridge: Bridge, conversation: str, shown: Callable[[], Awaitable[bool]]) -> None:
        """`shown` answers whether all that was said before can be seen there: nothing grows above an older answer."""
        self._channel = bridge.channel
        self._renderer = Renderer(bridge.channel.dialect)
        self._conversation = conversation
        self._begun = ShownMessages(
            bridge.spaces.store, channel_keys(bridge.spaces.store).growing(bridge.subscriber(conversation))
        )
        self._shown = shown
        self.to = ""
        """The platform's id of the person whom the answers are for, where it is known."""
        self._texts: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        """Held while something is sent, or while what was sent is looked up or changed."""
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
            await self._begun.forget(turn)
        self._end(turn)  # a piece of it that came late

    async def _grow(self, turn: str, channel: Grows) -> None:
        """Show what has been written, as often as the platform allows, until that fails: the answer itself follows."""
        shown = ""
        while True:
            await asyncio.sleep(channel.pace)
            text = self._texts.get(turn, "")
            if text == shown or not await self._shown():
                continue
            growth = await attempted(lambda: self._show(turn, channel, text))  # noqa: B023 - called at once
            if isinstance(growth, Failed):
                log.info("%s did not show an answer growing: %r", self._channel.name, growth.error)
                return
            shown = text

    async def _show(self, turn: str, channel: Grows, text: str) -> None:
        async with self._sending:
            messages = await self._messages()
            message = await self._written(turn, text)
            if shown := await self._message(turn, text):
                await channel.edit(shown, message)
                return
            await self._begun.begin(turn)
            messages[turn] = NO_RECEIPT
            messages[turn] = await self._channel.send(message)
            await self._begun.sent(turn, messages[turn])

    async def _written(self, turn: str, text: str) -> OutboundMessage:
        parts = await self._renderer.messages(text)
        first = parts[0] if parts else text
        return OutboundMessage(self._conversation, first, f"growing {turn}", growing=True, to=self.to)

    async def _message(self, turn: str, text: str) -> str:
        """The platform's name of this turn's message; the platform is asked where it is unknown."""
        messages = await self._messages()
        if messages.get(turn) == NO_RECEIPT and isinstance(self._channel, Confirms):
            for pause in FIND_RETRY_SECONDS:  # else a beginning that is there would stay beside the answer
                try:
                    messages[turn] = await self._channel.find(await self._written(turn, text)) or NO_RECEIPT
                    break
                except (OSError, Later, Undeliverable, Unrenderable) as error:
                    log.warning("%s cannot say whether an answer is begun: %r", self._channel.name, error)
                    await asyncio.sleep(
                        min(error.seconds, MAX_FIND_WAIT_SECONDS) if isinstance(error, Later) else pause
                    )
        return messages.get(turn, NO_RECEIPT)

    async def _messages(self) -> dict[str, str]:
        if self._known is None:
            self._known = await self._begun.all()
        return self._known


def turn_of(agent: str, answers: Iterable[str]) -> str:
    """The name of a turn: who takes it, and the first of the atoms that it answers."""
    return f"{agent} {min(answers, default='')}"
