"""`stoa run`: every part of Stoa in one process, and a conversation with it."""

import asyncio
import contextlib
import signal

import typer

from bots.cli.output import redis, until_death
from bots.cli.supervision import keep_serving, logged, when_asked_to_end
from bots.pidfile import alone
from bots.serving import serving
from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import bound
from channels.bridge.session import TerminalSession, first
from channels.terminal.channel import Terminal, open_terminal
from channels.terminal.pipe import Pipe
from conventions.loading import instructions, text
from core import __version__
from core.house import House
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load
from core.worker import Worker


def run() -> None:
    """Run until the person leaves or the input ends; a request to end from outside is an orderly end, too."""
    settings = load()
    with alone(settings.home), logged(settings.home / "stoa.log"), contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(settings))
        return
    raise typer.Exit(128 + signal.SIGTERM)


async def _run(settings: Settings) -> None:
    task = asyncio.current_task()
    assert task
    when_asked_to_end(task.cancel)
    async with open_terminal(settings.home) as terminal:

        async def tell(trouble: str) -> None:
            await terminal.tell(f"{trouble} What you type is kept.")

        if isinstance(terminal, Terminal):
            await terminal.tell(_welcome(settings))
        async with redis(settings) as (url, server):
            await keep_serving(settings, url, server, tell, lambda house: _serve(house, server, terminal))


async def _serve(house: House, server: EmbeddedRedis | None, terminal: Terminal | Pipe) -> None:
    worker = Worker(house, instructions("agent"), text("direct-message"))
    binding = bound(terminal.name, await terminal.direct("owner"))
    bridge = TerminalSession(house.spaces, terminal, binding, FileTransfer(house.attachments, house.store))
    wait = house.settings.linger if isinstance(terminal, Pipe) else 0
    await first(worker.run(), bridge.serve(wait, worker.idle), serving(house).run(), until_death(server))


def _welcome(settings: Settings) -> str:
    model = "the built-in offline model" if settings.model == "offline" else settings.model
    return f"Stoa {__version__}, {model}. Type to talk, /help for help, Ctrl-D to leave."
