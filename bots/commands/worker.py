"""`stoa worker`: one more process that takes the agents' turns, beside others on this machine or elsewhere."""

import asyncio
import contextlib
import os
import signal
import socket

import typer

from bots.commands.opening import redis, until_death
from bots.commands.serving import keep_serving, logged, when_asked_to_end
from channels.bridge import first
from conventions.loading import instructions, text
from core.house import House
from core.redis_server import EmbeddedRedis
from core.settings import Settings, load
from core.worker import Worker

DRAIN = 20.0
"""How many seconds the turns under way are given when the worker is asked to end."""


def work() -> None:
    """Work until asked to end; then finish the turns under way, or leave them to the next worker."""
    settings = load()
    with logged(settings.home / "worker.log"), contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_work(settings))
    typer.echo("The worker has ended.")


async def _work(settings: Settings) -> None:
    asked, task = asyncio.Event(), asyncio.current_task()
    assert task

    def end() -> None:
        """Once is a request, twice an order."""
        (task.cancel if asked.is_set() else asked.set)()

    when_asked_to_end(end, signal.SIGINT)
    async with redis(settings) as (url, server):
        await keep_serving(settings, url, server, _tell, lambda house: _serve(house, server, asked))


async def _serve(house: House, server: EmbeddedRedis | None, asked: asyncio.Event) -> None:
    worker = Worker(house, instructions("agent"), text("direct-message"))

    async def drained() -> None:
        await asked.wait()
        typer.echo("Finishing the turns under way; asked again, I end at once.")
        await worker.drain(DRAIN)

    typer.echo(f"Worker {socket.gethostname()}:{os.getpid()} is at work; Ctrl-C ends it.")
    await first(worker.run(), drained(), until_death(server))


async def _tell(trouble: str) -> None:
    typer.echo(trouble, err=True)
