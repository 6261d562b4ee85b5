"""`stoa run`."""

import asyncio
import contextlib
import signal

import typer

from bots.cli.opening import redis, until_death
from bots.cli.supervision import Supervisor, logged, when_asked_to_end
from bots.pidfile import alone
from bots.serving import page, serving, webhooks
from bots.workers import worker_of
from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import bound
from channels.bridge.bridge import Bridge
from channels.bridge.session import TerminalSession, first
from channels.terminal.channel import Terminal, open_terminal
from channels.terminal.pipe import Pipe
from core import __version__
from core.house import House
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load


def run() -> None:
    """Start Stoa and talk to it in this terminal.

    Everything runs in this process: the embedded Redis (unless REDIS_URL names another), the agents, your accounts and
    the conversation. Without a terminal, each line of standard input is a message and answers are plain lines. At the
    end of the input Stoa waits up to STOA_LINGER seconds (120) until all work is done, and exits with 1 if a message
    is still unanswered. Timers and waiting programs are kept for the next start. Keep the input open to keep Stoa
    running.

    \b
    Examples:
      stoa run
      echo 'add buy milk to my tasks' | stoa run
      (echo 'remind me in 1 minute to stretch'; sleep 90) | stoa run
    """
    settings = load()
    with alone(settings.home), logged(settings, "stoa.log"), contextlib.suppress(asyncio.CancelledError):
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
            model = "the built-in offline model" if settings.model == "offline" else settings.model
            await terminal.tell(f"Stoa {__version__}, {model}. Type to talk, /help for help, Ctrl-D to leave.")
        async with redis(settings) as (url, server):
            await Supervisor(settings, url, server, tell).run(lambda house: _serve(house, server, terminal))
    if task.cancelling():  # asked to end just as the input ended
        raise asyncio.CancelledError


async def _serve(house: House, server: EmbeddedRedis | None, terminal: Terminal | Pipe) -> None:
    worker = worker_of(house)
    binding = bound(terminal.name, await terminal.direct("owner"))
    bridge = TerminalSession(Bridge(house.spaces, terminal, FileTransfer(house.attachments, house.store)), binding)
    wait = house.settings.linger if isinstance(terminal, Pipe) else 0
    await first(
        worker.run(),
        bridge.serve(wait, worker.idle),
        serving(house).run(),
        page(house),
        webhooks(house),
        until_death(server),
    )
