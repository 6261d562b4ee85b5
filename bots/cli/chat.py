"""`stoa chat`: a conversation, or one question, with a Stoa that already runs."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import typer

from bots.cli.output import redis, until_death
from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import bound
from channels.bridge.routing import SAID_IN
from channels.bridge.session import TerminalSession, first
from channels.terminal.channel import open_terminal
from channels.terminal.pipe import Pipe
from channels.text import clean, one_line, visible
from core.atoms.atoms import Atom
from core.errors import InvalidInput, ModelUnavailable, StoreUnavailable
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load
from core.spaces.spaces import Space, Spaces

LAST_ANSWERS = 120.0
"""How many seconds the answers under way are given when piped input ends."""
ONCE = "terminal/once"
"""Where such a question was asked: no conversation but this command shows its answer."""


async def talk() -> None:
    """Talk until the person leaves or the input ends."""
    settings = load()
    async with _joined(settings) as (house, server), open_terminal(settings.home) as terminal:
        binding = bound(terminal.name, await terminal.direct("owner"))
        bridge = TerminalSession(_light(house), terminal, binding, FileTransfer(house.attachments, house.store))
        wait = LAST_ANSWERS if isinstance(terminal, Pipe) else 0
        await first(bridge.serve(wait), until_death(server))


async def ask(text: str, patience: float) -> None:
    """Say one thing and print what is answered; raises `ModelUnavailable` when nothing is, in `patience` seconds."""
    settings = load()
    question = clean(sys.stdin.read() if text == "-" else text)
    if not question.strip():
        raise InvalidInput("There is no text to send; give some after --once.")
    async with _joined(settings) as (house, _):
        chat = _light(house).open("chat")
        try:
            async with asyncio.timeout(patience):
                answer = await _answer(house, chat, question)
        except TimeoutError:
            raise ModelUnavailable(
                f"No answer came within {patience:g} seconds. The message is kept, and the answer will be in the chat "
                "when it comes; `stoa space show chat` shows it."
            ) from None
    typer.echo(visible(answer.content))


async def _answer(house: House, chat: Space, question: str) -> Atom:
    """Put the question into the chat and wait for what answers it: by its reference, or by what caused it."""
    before = int(await house.store.run("HGET", house.store.keys.space(chat.id), "seq") or 0)
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
    """The house of a Stoa that runs; raises `StoreUnavailable` if none does here."""
    async with redis(settings, join=True) as (url, server), open_house(settings, url) as house:
        yield house, server


def _light(house: House) -> Spaces:
    """The spaces without an embedder, which the Stoa that runs has already."""
    return Spaces(house.store, house.notifications, house.clock, None)
