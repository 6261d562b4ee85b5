"""`stoa worker` and `stoa serve`: processes without a conversation."""

import asyncio
import contextlib
import os
import signal
import socket

from bots.cli.opening import redis, until_death
from bots.cli.output import say
from bots.cli.supervision import Supervisor, logged, when_asked_to_end
from bots.serving import page, serving, webhooks
from bots.workers import worker_of
from channels.accounts import Accounts
from channels.bridge.session import first
from core.house import House
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load

DRAIN_SECONDS = 20.0
"""How long the work under way may take once the process is asked to end."""


def worker() -> None:
    """Run agents only, without accounts or a prompt.

    Start as many as you like, on one machine or many: processes that share a Redis share the work, and when one dies,
    others take over within seconds. REDIS_URL names the Redis; without it, the embedded one of this data directory is
    used. Asked to end, it first finishes the turns under way, for up to 20 seconds.
    """
    _work(serves=False)


def serve() -> None:
    """Serve your accounts and run agents, without a prompt.

    Does what `stoa run` does, for a machine that is always on. Add accounts with `stoa setup`. Start as many as you
    like over one Redis: each account is served by one process, and when that one dies, by another within seconds.
    """
    _work(serves=True)


def _work(*, serves: bool) -> None:
    settings = load()
    with logged(settings, "serve.log" if serves else "worker.log"), contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(settings, serves))
    say("Stoa has ended." if serves else "The worker has ended.")


async def _run(settings: Settings, serves: bool) -> None:
    asked, task = asyncio.Event(), asyncio.current_task()
    assert task

    def end() -> None:
        """Finish first; asked a second time, end at once."""
        (task.cancel if asked.is_set() else asked.set)()

    when_asked_to_end(end, signal.SIGINT)
    work = _serve if serves else _take_turns
    async with redis(settings) as (url, server):
        await Supervisor(settings, url, server, _tell).run(lambda house: work(house, server, asked))


async def _take_turns(house: House, server: EmbeddedRedis | None, asked: asyncio.Event) -> None:
    worker = worker_of(house)

    async def drained() -> None:
        await asked.wait()
        say("Finishing the turns under way; press Ctrl-C again to end at once.")
        await worker.drain(DRAIN_SECONDS)

    say(f"Worker {socket.gethostname()}:{os.getpid()} is running; Ctrl-C ends it.")
    await first(worker.run(), drained(), until_death(server))


async def _serve(house: House, server: EmbeddedRedis | None, asked: asyncio.Event) -> None:
    worker = worker_of(house)
    accounts = serving(house)

    async def drained() -> None:
        await asked.wait()
        say("Finishing what is under way; press Ctrl-C again to end at once.")
        await worker.drain(DRAIN_SECONDS)
        await accounts.drain(DRAIN_SECONDS)

    names = [account.id for account in await Accounts(house.store).all()]
    taken = await Accounts(house.store).served(names)
    later = ", ".join(name for name, elsewhere in zip(names, taken, strict=True) if elsewhere)
    note = f" ({later} once the process that serves it ends)" if later else ""
    say(f"Serving {', '.join(names) or 'no accounts yet; add one with `stoa setup`'}{note}. Ctrl-C ends it.")
    await first(worker.run(), accounts.run(), page(house), webhooks(house), drained(), until_death(server))


async def _tell(trouble: str) -> None:
    say(trouble, err=True)
