"""`stoa chat`."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Annotated

import typer

from bots.cli.opening import redis, until_death
from bots.cli.output import say
from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import bound
from channels.bridge.bridge import Bridge
from channels.bridge.routing import SAID_IN
from channels.bridge.session import TerminalSession, first
from channels.terminal.channel import open_terminal
from channels.terminal.pipe import Pipe
from channels.text import clean, one_line
from core.atoms.atoms import Atom
from core.errors import InvalidInput, ModelUnavailable, StoreUnavailable
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load
from core.spaces.spaces import Space, Spaces

ANSWER_SECONDS = 120
"""How long a piped question may take to be answered."""
ONCE = "terminal/once"
"""The conversation of a question asked with --once; only this command shows its answer."""


async def chat(
    once: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Send this, print the answer and exit; - reads standard input.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer to --once.")] = ANSWER_SECONDS,
) -> None:
    """Talk to a Stoa that is already running.

    \b
    Examples:
      stoa chat
      stoa chat --once 'what is on my list?'
    """
    if once is None:
        await _talk()
    else:
        await _ask(once, timeout)


async def _talk() -> None:
    settings = load()
    async with _joined(settings) as (house, server), open_terminal(settings.home) as terminal:
        binding = bound(terminal.name, await terminal.direct("owner"))
        bridge = TerminalSession(Bridge(_light(house), terminal, FileTransfer(house.attachments, house.store)), binding)
        wait = ANSWER_SECONDS if isinstance(terminal, Pipe) else 0
        await first(bridge.serve(wait), until_death(server))


async def _ask(text: str, seconds: float) -> None:
    """Print the answer to one question; raises `ModelUnavailable` if none comes in time."""
    settings = load()
    question = clean(sys.stdin.read() if text == "-" else text)
    if not question.strip():
        raise InvalidInput("There is no text to send. Give some after --once.")
    async with _joined(settings) as (house, _):
        chat = _light(house).open("chat")
        try:
            async with asyncio.timeout(seconds):
                answer = await _answer(chat, question)
        except TimeoutError:
            raise ModelUnavailable(
                f"No answer came within {seconds:g} seconds. Your message is kept, and the answer will be in the chat; "
                "read it with `stoa space show chat`."
            ) from None
    say(answer.content)


async def _answer(chat: Space, question: str) -> Atom:
    """Put the question into the chat and wait for what refers to it or was caused by it."""
    before = await chat.newest()
    asked = await chat.put(question, comment=one_line(question), metadata={"role": "user", SAID_IN: ONCE})
    root = ""
    async for change in chat.follow(before):
        if change.atom == asked.id:
            root = change.cause.root or f"{change.space}/{change.seq}"
        elif change.operation == "put":
            atom = await chat.get(change.atom)
            meant = change.cause.root == root or asked.ref in atom.references.get("reply_to", [])
            if meant and atom.metadata.get("role") == "assistant":
                return atom
    raise StoreUnavailable("The chat ended before an answer came.")


@contextlib.asynccontextmanager
async def _joined(settings: Settings) -> AsyncIterator[tuple[House, EmbeddedRedis | None]]:
    """The house of the running Stoa; raises `StoreUnavailable` if none is running here."""
    async with redis(settings, join=True) as (url, server), open_house(settings, url) as house:
        yield house, server


def _light(house: House) -> Spaces:
    """The spaces without an embedder: the running Stoa has one."""
    return Spaces(house.store, house.notifications, None)
