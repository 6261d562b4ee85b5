"""What the commands that keep Stoa at work share: serving on through outages of Redis, and one private log."""

import asyncio
import contextlib
import logging
import logging.handlers
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from bots.pidfile import open_private
from bots.seed import seed
from core.errors import StoreUnavailable
from core.house import House, open_house
from core.models.litellm import import_litellm
from core.models.router import REPLAY, names
from core.redis.server import EmbeddedRedis
from core.secrets.secrets import Secrets
from core.secrets.vault import Vault
from core.settings import Settings
from core.store.errors import outage

LOG_BYTES = 4_000_000
LONGEST_PAUSE = 8.0
DEATHS = 3
"""How often within a minute Redis may die until we no longer start it again."""

log = logging.getLogger("stoa")


async def keep_serving(
    settings: Settings,
    url: str,
    server: EmbeddedRedis | None,
    tell: Callable[[str], Awaitable[None]],
    serve: Callable[[House], Awaitable[None]],
) -> None:
    """Furnish the house and serve, and again after Redis went away, or could not write, and came back.

    What calls models is loaded beside it, seconds of work that the first message need not wait for. `tell` is told when
    Redis goes away. Raises `StoreUnavailable` where there is no Redis to begin with, or where an embedded one dies
    again and again.
    """
    deaths: list[float] = []
    pause = 0.5
    furnished = False
    while True:
        try:
            async with open_house(settings, url) as house:
                await seed(house)
                if not furnished and not all(name.startswith(("offline", REPLAY)) for name in names(settings)):
                    threading.Thread(target=import_litellm, name="litellm", daemon=True).start()
                furnished, pause = True, 0.5
                await serve(house)
            return
        except Exception as error:
            obituary, unavailable = await _obituary(server), outage(error)
            if not furnished or not (obituary or unavailable):
                raise
            log.error("%s", obituary or unavailable)
            if obituary or pause == 0.5:
                await tell(f"{obituary or unavailable} Trying again.")
        if obituary and server:
            deaths = [*(at for at in deaths if time.monotonic() - at < 60), time.monotonic()]
            if len(deaths) > DEATHS:
                raise StoreUnavailable(f"{obituary} That was {len(deaths)} times in a minute; look at `stoa doctor`.")
            await server.restart()
        else:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def when_asked_to_end(then: Callable[[], object], *also: signal.Signals) -> None:
    """Call `then` when the system asks this process to end: SIGTERM, SIGHUP and what is named."""
    for ending in (signal.SIGTERM, signal.SIGHUP, *also):
        asyncio.get_running_loop().add_signal_handler(ending, then)


async def _obituary(server: EmbeddedRedis | None) -> str:
    """What is known of a death of the embedded Redis; empty if it lives."""
    if server is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                return await server.died()
    return ""


class _Redacting(logging.Formatter):
    """Writes what is logged without the value of any secret, tracebacks included."""

    def __init__(self, form: str, home: Path) -> None:
        super().__init__(form)
        self.secrets = Secrets(vault=Vault(home))

    def format(self, record: logging.LogRecord) -> str:
        return self.secrets.redacted(super().format(record))


@contextlib.contextmanager
def logged(file: Path) -> Iterator[None]:
    """Send what is logged to a file that only the owner reads; nothing goes to the screen."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    open_private(file).close()
    handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s", file.parent))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
