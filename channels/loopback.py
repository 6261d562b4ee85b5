"""A channel inside the process: it stands for a platform wherever one is not needed, in tests and in trials."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, TypedDict, Unpack

from channels.contract import ChannelClosed, File, InboundMessage, InboundPassage, Kind, OutboundMessage
from channels.markdown import Dialect, Markdown


class Said(TypedDict, total=False):
    """Further parts of a message."""

    name: str
    room: str
    parent: str
    addressed: bool
    bot: bool
    kind: Kind
    version: str
    files: tuple[File, ...]
    passages: tuple[InboundPassage, ...]
    choice: str
    reply_to: str


class Loopback:
    """A platform in memory: `say` is heard by the listener, and everything sent stands in `sent`."""

    dialect: Dialect = Markdown()

    def __init__(self, conversation: str = "hall", name: str = "loopback") -> None:
        self.name = name
        self.conversation = conversation
        self.conversations = {conversation}
        """Where somebody listens; more are added when something is said there."""
        self.sent: list[OutboundMessage] = []
        self.edits: list[tuple[str, OutboundMessage]] = []
        self.drafts: list[str | None] = []
        self.refusals: deque[Exception] = deque()
        """Errors that the next sends raise instead of showing anything, one each."""
        self.losses: deque[Exception] = deque()
        """Errors that the next sends raise after showing the message: its receipt is lost."""
        self._said: deque[InboundMessage] = deque()
        self._count = 0
        self._open = True
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    async def say(
        self, text: str, *, sender: str = "owner", id: str = "", conversation: str = "", **more: Unpack[Said]
    ) -> InboundMessage:
        """Let `sender` write `text`, or whatever else a message can be; the same `id` twice is a platform that tells
        it twice."""
        self._count += 1
        where = conversation or self.conversation
        self.conversations.add(where)
        message = InboundMessage(where, sender, text, id or str(self._count), **more)
        async with self._news:
            self._said.append(message)
            self._news.notify_all()
        return message

    async def close(self) -> None:
        """Let the platform have no more to say."""
        async with self._news:
            self._open = False
            self._news.notify_all()

    async def heard(self, count: int, conversation: str = "") -> list[str]:
        """The texts sent so far, everywhere or in one conversation, as soon as there are `count` of them."""

        def texts() -> list[str]:
            return [one.text for one in self.sent if conversation in ("", one.conversation)]

        async with self._news:
            await self._news.wait_for(lambda: len(texts()) >= count)
        return texts()

    async def listen(self) -> AsyncIterator[InboundMessage]:
        while True:
            async with self._news:
                await self._news.wait_for(lambda: bool(self._said) or not self._open)
            if not self._said:
                return
            yield self._said[0]
            self._said.popleft()

    async def send(self, message: OutboundMessage) -> str:
        if self.refusals:
            raise self.refusals.popleft()
        if message.conversation not in self.conversations:
            raise ChannelClosed(f"nobody is in {message.conversation!r}")
        async with self._news:
            self.sent.append(message)
            self._news.notify_all()
        if self.losses:
            raise self.losses.popleft()
        return str(len(self.sent))

    async def find(self, message: OutboundMessage) -> str | None:
        keys = [sent.key for sent in self.sent]
        return str(keys.index(message.key) + 1) if message.key in keys else None

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        async with self._news:
            if known := id.isdecimal() and int(id) <= len(self.sent):
                self.edits.append((id, message))
                self._news.notify_all()
        return known

    async def direct(self, person: str) -> str:
        return self.conversation

    async def draft(self, conversation: str, agent: str, text: str | None) -> None:
        self.drafts.append(text)
