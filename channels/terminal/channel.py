"""The terminal as a channel, on prompt_toolkit: it lets a reminder appear above the line you are typing, unharmed,
without taking the whole screen and its scrollback from you as a full-screen program would."""

import asyncio
import os
import shutil
import sys
import termios
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from channels.choices import Questions
from channels.contract import InboundMessage, OutboundMessage
from channels.markdown import Markdown
from channels.terminal.markdown import TerminalMarkdown
from channels.terminal.pipe import Pipe
from channels.text import DIM, RESET, prose, visible
from core.atoms.atoms import new_id

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.styles import Style

TERMINAL_HELP = """\
Everything you type goes to the assistant. The terminal itself understands:
  Enter            send                  Alt-Enter   a new line in the message
  Up, Down         earlier messages      Ctrl-R      search them
  Ctrl-C           clear the line; twice leaves
  /help            this list             /quit, Ctrl-D   leave"""
LEAVE_HINT = "Press Ctrl-C again, or Ctrl-D, to leave."
LEAVE_SECONDS = 2.0
"""Two Ctrl-C within this time leave."""
MAX_DRAFT_LINES = 6


def open_terminal(home: Path) -> "Terminal | Pipe":
    """The terminal where there is one to edit lines in, otherwise the plain pipe."""
    able = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return Terminal(home / "history") if able else Pipe()


class Terminal:
    """A prompt with history in a file; answers, reminders and what is being written appear above it."""

    name = "terminal"
    dialect = Markdown()

    def __init__(self, history: Path, conversation: str = "") -> None:
        self.conversation = conversation or f"owner-{new_id()}"
        self.colour = not os.environ.get("NO_COLOR")
        self._history = history
        self._typed: deque[InboundMessage] = deque()
        self._left = False
        self._news = asyncio.Event()
        self._drafts: dict[str, str] = {}
        self._questions = Questions()
        self._hint = ""
        self._interrupted = 0.0
        self._session: PromptSession[str] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._session = self._open_session()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._leave_with_the_window())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen(self) -> AsyncIterator[InboundMessage]:
        while True:
            while self._typed:
                yield self._typed[0]
                self._typed.popleft()
            if self._left:
                return
            self._news.clear()
            await self._news.wait()

    async def send(self, message: OutboundMessage) -> str:
        self._drafts.clear()
        id = new_id()
        text = self._questions.ask(id, message) if message.choices else message.text
        if text or not message.choices:
            await self._print(self._rendered(text) + "\n\n")
        return id

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        text = self._questions.settle(id, message)
        if text:
            await self._print(self._rendered(text) + "\n\n")
        return text is not None

    async def direct(self, person: str) -> str:
        return self.conversation

    async def draft(self, conversation: str, agent: str, text: str | None) -> None:
        if text is None:
            self._drafts.pop(agent, None)
        else:
            self._drafts[agent] = text
        self._redraw()

    async def tell(self, text: str) -> None:
        """Say something about Stoa itself, beside the conversation."""
        text = visible(text)
        await self._print((f"{DIM}{text}{RESET}" if self.colour else text) + "\n\n")

    def _rendered(self, text: str) -> str:
        if not self.colour:
            return visible(text)
        return "\n\n".join(TerminalMarkdown(shutil.get_terminal_size().columns - 1).messages(text))

    async def _print(self, text: str) -> None:
        from prompt_toolkit.application import run_in_terminal

        assert self._session is not None
        output = self._session.output

        def write() -> None:
            output.write_raw(text.replace("\n", "\r\n"))
            output.flush()

        await run_in_terminal(write)

    async def _read(self) -> None:
        """Ask for one message after the other, until the person leaves."""
        from prompt_toolkit.patch_stdout import patch_stdout

        assert self._session is not None
        with patch_stdout():
            while not self._left:
                try:
                    text = await self._session.prompt_async()
                except EOFError:
                    text = "/quit"
                match text.strip():
                    case "":
                        continue
                    case "/help":
                        await self.tell(TERMINAL_HELP)
                        continue
                    case "/quit" | "/exit":
                        self._left = True
                    case line:
                        if amiss := self._questions.amiss(line):
                            await self.tell(amiss)
                            continue
                        choice = self._questions.answer(text)
                        self._typed.append(InboundMessage(self.conversation, "owner", text, new_id(), choice=choice))
                self._news.set()

    async def _leave_with_the_window(self) -> None:
        """Leave when the terminal is gone, which prompt_toolkit overlooks while a line is half typed."""
        assert self._session is not None
        while True:
            await asyncio.sleep(1)
            try:
                termios.tcgetattr(sys.stdin.fileno())
            except termios.error:
                self._left = True
                self._news.set()
                if self._session.app.is_running:
                    self._session.app.exit(exception=EOFError)
                return

    def _open_session(self) -> "PromptSession[str]":
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory

        self._history.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._history, os.O_CREAT | os.O_APPEND, 0o600))
        return PromptSession(
            message=self._prompt,
            multiline=True,
            prompt_continuation="  ",
            key_bindings=self._keys(),
            history=FileHistory(str(self._history)),
            style=self._style(),
        )

    def _style(self) -> "Style":
        from prompt_toolkit.styles import Style

        return Style([("aside", "fg:ansibrightblack"), ("mark", "bold")])

    def _prompt(self) -> "StyleAndTextTuples":
        """The lines above the one being typed, with the answer being written and a hint, then the mark before it."""
        from prompt_toolkit.application import get_app

        aside = [*map(self._tail, self._drafts.items()), self._hint]
        shown = "" if get_app().is_done else "".join(f"{part}\n" for part in aside if part)
        return [("class:aside", shown), ("class:mark", "› ")]

    def _tail(self, draft: tuple[str, str]) -> str:
        """The last lines of an answer that is being written, or a word that somebody is at work."""
        agent, text = draft
        width = shutil.get_terminal_size().columns - 1
        written = visible(prose(text))
        doing = "" if written else f"{visible(agent)} is {'working' if text.strip() else 'thinking'}…"
        return "\n".join(line[:width] for line in (written or doing).splitlines()[-MAX_DRAFT_LINES:])

    def _redraw(self) -> None:
        if self._session:
            self._session.app.invalidate()

    def _keys(self) -> "KeyBindings":
        from prompt_toolkit.enums import DEFAULT_BUFFER
        from prompt_toolkit.filters import has_focus
        from prompt_toolkit.key_binding import KeyBindings

        keys = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)

        @keys.add("enter", filter=typing)
        def _(event: "KeyPressEvent") -> None:
            event.current_buffer.validate_and_handle()

        @keys.add("escape", "enter", filter=typing)
        def _(event: "KeyPressEvent") -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("c-c", filter=typing)
        def _(event: "KeyPressEvent") -> None:
            self._interrupt(event)

        return keys

    def _interrupt(self, event: "KeyPressEvent") -> None:
        """Clear the line; leave if that was done a moment ago."""
        now = time.monotonic()
        if now - self._interrupted < LEAVE_SECONDS:
            event.app.exit(exception=EOFError)
            return
        event.current_buffer.reset()
        self._interrupted, self._hint = now, LEAVE_HINT
        asyncio.get_running_loop().call_later(LEAVE_SECONDS, self._forget_interrupt)

    def _forget_interrupt(self) -> None:
        self._hint = ""
        self._redraw()
