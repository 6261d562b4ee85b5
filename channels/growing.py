"""Growing: an answer that takes a while is shown while it is written, by editing one message until it is whole."""

import asyncio
import logging

from channels.contract import Channel, Grows, OutboundMessage
from core.store import Store

log = logging.getLogger(__name__)


class Growing:
    """The answers that are being written for one conversation, by agent.

    Which message shows one is written down, so that whoever serves the conversation next makes it whole instead of
    sending another.
    """

    def __init__(self, store: Store, channel: Channel, conversation: str, subscriber: str) -> None:
        self._store = store
        self._channel = channel
        self._conversation = conversation
        self._key = store.keys.growing(subscriber)
        self.to = ""
        """The platform's id of whom the answers are for, where that is known."""
        self._texts: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._known: dict[str, str] | None = None

    def show(self, agent: str, text: str) -> None:
        """The agent has written this much; shown soon, unless its answer is whole before."""
        if not isinstance(self._channel, Grows) or not text.strip():
            return
        self._texts[agent] = text
        if agent not in self._tasks:
            self._tasks[agent] = asyncio.create_task(self._grow(agent, self._channel), name=f"answer of {agent}")

    async def begun(self, agent: str) -> str:
        """The message that shows the beginning of the agent's answer, if there is one; it does not grow any more."""
        if task := self._tasks.pop(agent, None):
            async with self._sending:  # never amid a send, whose message nobody would know of then
                task.cancel()
            await asyncio.wait([task])
        self._texts.pop(agent, None)
        return (await self._messages()).get(agent, "")

    async def whole(self, agent: str) -> None:
        """The message shows the whole answer now, or is no more."""
        messages = await self._messages()
        if messages.pop(agent, ""):
            await self._store.run("HDEL", self._key, agent)

    async def drop(self, agent: str) -> None:
        """The agent has ended without an answer: take its beginning away, if one was shown."""
        message = await self.begun(agent)
        if message and isinstance(self._channel, Grows):
            await self._channel.remove(self._conversation, message)
        await self.whole(agent)

    async def _grow(self, agent: str, channel: Grows) -> None:
        """Show what has been written, as often as the platform bears. One edge: a draft is not worth failing for."""
        shown = ""
        while True:
            await asyncio.sleep(channel.pace)
            text = self._texts.get(agent, "")
            if text == shown:
                continue
            try:
                async with self._sending:
                    await self._show(agent, channel, text)
                shown = text
            except Exception as error:  # noqa: BLE001 - the answer itself is delivered whatever becomes of this
                log.info("%s did not show an answer growing: %r", self._channel.name, error)
                return

    async def _show(self, agent: str, channel: Grows, text: str) -> None:
        parts = self._channel.dialect.messages(text)
        messages = await self._messages()
        message = OutboundMessage(self._conversation, parts[0] if parts else text, growing=True, to=self.to)
        if agent in messages:
            await channel.edit(messages[agent], message)
        else:
            messages[agent] = await self._channel.send(message)
            await self._store.run("HSET", self._key, agent, messages[agent])

    async def _messages(self) -> dict[str, str]:
        if self._known is None:
            found = await self._store.run("HGETALL", self._key)
            self._known = {agent.decode(): id.decode() for agent, id in found.items()}
        return self._known
