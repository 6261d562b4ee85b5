"""The conversation without a terminal: each line of standard input is a message, answers are plain lines."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from channels.choices import Questions
from channels.contract import ChannelClosed, InboundMessage, OutboundMessage
from channels.markdown import Markdown
from channels.text import visible
from core.atoms.atoms import new_id

MAX_LINES_AHEAD = 100
"""Lines that are read before the first of them is taken."""
MAX_PIPED_LINE_BYTES = 1 << 21
"""A longer line is cut; it is far longer than a message may be, so it is refused anyway."""


class Pipe:
    """Reads one descriptor and writes another; ends when the first ends, or when nobody reads the second."""

    name = "terminal"
    dialect = Markdown()

    def __init__(self, conversation: str = "", source: int | None = None, target: int | None = None) -> None:
        self.conversation = conversation or f"owner-{new_id()}"
        self._source = sys.stdin.fileno() if source is None else source
        self._target = sys.stdout.fileno() if target is None else target
        self._lines: asyncio.Queue[InboundMessage | None] = asyncio.Queue()
        self._questions = Questions()
        self._room = threading.Semaphore(MAX_LINES_AHEAD)
        self._current: InboundMessage | None = None

    async def __aenter__(self) -> Self:
        # A daemon thread, because nothing can interrupt a read of a terminal or a file.
        threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), daemon=True).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    async def listen(self) -> AsyncIterator[InboundMessage]:
        while (message := self._current or await self._lines.get()) is not None:
            self._current = message
            yield replace(message, choice=self._questions.answer(message.text))
            self._current = None
            self._room.release()
        self._lines.put_nowait(None)  # for the next `listen`

    async def send(self, message: OutboundMessage) -> str:
        id = new_id()
        text = self._questions.ask(id, message) if message.choices else message.text
        if text or not message.choices:
            await asyncio.to_thread(self._write, visible(text) + "\n")
        return id

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        text = self._questions.settle(id, message)
        if text:
            await asyncio.to_thread(self._write, visible(text) + "\n")
        return text is not None

    async def direct(self, person: str) -> str:
        return self.conversation

    async def tell(self, text: str) -> None:
        """Say something about Stoa itself, beside the conversation."""
        print(visible(text), file=sys.stderr, flush=True)  # noqa: T201

    def _write(self, text: str) -> None:
        data = text.encode()
        try:
            while data:
                data = data[os.write(self._target, data) :]
        except BrokenPipeError:
            raise ChannelClosed("standard output was closed") from None

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand each line to the loop, waiting while it is behind; keep no more of a line than shows it is too long."""
        line = b""
        ended = False
        while not ended:
            try:
                data = os.read(self._source, 65_536)
            except OSError:
                data = b""
            ended = not data
            *lines, rest = data.split(b"\n")
            for part in lines:
                self._offer(line + part, loop)
                line = b""
            line = line + rest if len(line) <= MAX_PIPED_LINE_BYTES else line
        self._offer(line, loop)
        self._hand(None, loop)

    def _offer(self, line: bytes, loop: asyncio.AbstractEventLoop) -> None:
        text = line.decode(errors="replace")
        if text.strip():
            self._hand(InboundMessage(self.conversation, "owner", text, new_id()), loop)

    def _hand(self, message: InboundMessage | None, loop: asyncio.AbstractEventLoop) -> None:
        self._room.acquire()
        with suppress(RuntimeError):  # the loop may end before the input does
            loop.call_soon_threadsafe(self._lines.put_nowait, message)
