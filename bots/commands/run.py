"""`stoa run`: every part of Stoa in one process, and a conversation with it."""

import asyncio
import contextlib
import logging
import logging.handlers
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import typer

from bots.commands.opening import redis, until_death
from bots.instance import alone, open_private
from bots.seed import seed
from channels.bridge import Binding, Bridge, first
from channels.pipe import Pipe
from channels.terminal import Terminal, open_terminal
from conventions.loading import instructions, text
from core import __version__
from core.errors import StoreUnavailable
from core.house import House, open_house
from core.redis_server import EmbeddedRedis
from core.secrets import Secrets
from core.settings import Settings, load
from core.store import outage
from core.worker import Worker

LAST_ANSWERS = 120.0
"""How many seconds the answers under way are given when piped input ends."""
LOG_BYTES = 4_000_000
LONGEST_PAUSE = 8.0
DEATHS = 3
"""How often within a minute Redis may die until we no longer start it again."""

log = logging.getLogger("stoa")


def run() -> None:
    """Run until the person leaves or the input ends; a request to end from outside is an orderly end, too."""
    settings = load()
    with alone(settings.home), _logged(settings.home / "stoa.log"), contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(settings))
        return
    raise typer.Exit(128 + signal.SIGTERM)


async def _run(settings: Settings) -> None:
    task = asyncio.current_task()
    assert task
    for ending in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    async with open_terminal(settings.home) as terminal:
        if isinstance(terminal, Terminal):
            await terminal.tell(_welcome(settings))
        async with redis(settings) as (url, server):
            await _keep_serving(settings, url, server, terminal)


async def _keep_serving(settings: Settings, url: str, server: EmbeddedRedis | None, terminal: Terminal | Pipe) -> None:
    """Serve, and again after Redis went away, or could not write, and came back; what is typed meanwhile is kept."""
    deaths: list[float] = []
    pause = 0.5
    furnished = False
    while True:
        try:
            async with open_house(settings, url) as house:
                await seed(house)
                furnished, pause = True, 0.5
                await _serve(house, server, terminal)
            return
        except Exception as error:
            obituary, unavailable = await _obituary(server), outage(error)
            if not furnished or not (obituary or unavailable):
                raise
            log.error("%s", obituary or unavailable)
            if obituary or pause == 0.5:
                await terminal.tell(f"{obituary or unavailable} Trying again; what you type is kept.")
        if obituary and server:
            deaths = [*(at for at in deaths if time.monotonic() - at < 60), time.monotonic()]
            if len(deaths) > DEATHS:
                raise StoreUnavailable(f"{obituary} That was {len(deaths)} times in a minute; look at `stoa doctor`.")
            await server.restart()
        else:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _serve(house: House, server: EmbeddedRedis | None, terminal: Terminal | Pipe) -> None:
    worker = Worker(house, instructions("agent"), text("direct-message"))
    binding = Binding(await terminal.direct("owner"))
    bridge = Bridge(house.spaces, house.notifications, house.clock, terminal, binding)
    wait = LAST_ANSWERS if isinstance(terminal, Pipe) else 0
    await first(worker.run(), bridge.serve(wait), until_death(server))


async def _obituary(server: EmbeddedRedis | None) -> str:
    """What is known of a death of the embedded Redis; empty if it lives."""
    if server is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                return await server.died()
    return ""


def _welcome(settings: Settings) -> str:
    model = "the built-in offline model" if settings.model == "offline" else settings.model
    return f"Stoa {__version__}, {model}. Type to talk, /help for help, Ctrl-D to leave."


class _Redacting(logging.Formatter):
    """Writes what is logged without the value of any secret, tracebacks included."""

    def __init__(self, form: str) -> None:
        super().__init__(form)
        self.secrets = Secrets()

    def format(self, record: logging.LogRecord) -> str:
        return self.secrets.redacted(super().format(record))


@contextlib.contextmanager
def _logged(file: Path) -> Iterator[None]:
    """Send what is logged to a file that only the owner reads; nothing goes to the screen."""
    open_private(file).close()
    handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
