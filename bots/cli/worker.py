"""`stoa worker` and `stoa serve`: processes without a conversation, for the agents' turns and the accounts."""

import asyncio
import contextlib
import os
import signal
import socket

import typer

from bots.cli.output import redis, until_death
from bots.cli.supervision import keep_serving, logged, when_asked_to_end
from bots.serving import serving
from channels.accounts import Accounts
from channels.bridge.session import first
from conventions.loading import instructions, text
from core.house import House
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load
from core.worker import Worker

DRAIN = 20.0
"""How many seconds what is under way is given when the process is asked to end."""


def work(*, serves: bool) -> None:
    """Take turns, and serve the accounts if asked to, until asked to end; then finish what is under way, or leave it to
    the next."""
    settings = load()
    with (
        logged(settings.home / ("serve.log" if serves else "worker.log")),
        contextlib.suppress(asyncio.CancelledError),
    ):
        asyncio.run(_work(settings, serves))
    typer.echo("Stoa has ended." if serves else "The worker has ended.")


async def _work(settings: Settings, serves: bool) -> None:
    asked, task = asyncio.Event(), asyncio.current_task()
    assert task

    def end() -> None:
        """Once is a request, twice an order."""
        (task.cancel if asked.is_set() else asked.set)()

    when_asked_to_end(end, signal.SIGINT)
    serve = _serve if serves else _take_turns
    async with redis(settings) as (url, server):
        await keep_serving(settings, url, server, _tell, lambda house: serve(house, server, asked))


async def _take_turns(house: House, server: EmbeddedRedis | None, asked: asyncio.Event) -> None:
    worker = Worker(house, instructions("agent"), text("direct-message"))

    async def drained() -> None:
        await asked.wait()
        typer.echo("Finishing the turns under way; asked again, I end at once.")
        await worker.drain(DRAIN)

    typer.echo(f"Worker {socket.gethostname()}:{os.getpid()} is at work; Ctrl-C ends it.")
    await first(worker.run(), drained(), until_death(server))


async def _serve(house: House, server: EmbeddedRedis | None, asked: asyncio.Event) -> None:
    worker = Worker(house, instructions("agent"), text("direct-message"))
    accounts = serving(house)

    async def drained() -> None:
        await asked.wait()
        typer.echo("Finishing what is under way; asked again, I end at once.")
        await worker.drain(DRAIN)
        await accounts.drain(DRAIN)

    names = [account.id for account in await Accounts(house.store).all()]
    taken = await Accounts(house.store).served(names)
    later = [name for name, elsewhere in zip(names, taken, strict=True) if elsewhere]
    note = f" ({', '.join(later)} as soon as the process ends that does so now)" if later else ""
    typer.echo(f"Serving {', '.join(names) or 'no account yet: `stoa setup` adds one'}{note}; Ctrl-C ends it.")
    await first(worker.run(), accounts.run(), drained(), until_death(server))


async def _tell(trouble: str) -> None:
    typer.echo(trouble, err=True)
