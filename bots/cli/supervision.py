"""Keeping Stoa at work: through outages of Redis, and with one private log."""

import asyncio
import contextlib
import logging
import logging.handlers
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from io import TextIOWrapper
from pathlib import Path

from bots.pidfile import private
from bots.seed import seed
from core.errors import StoreUnavailable
from core.house import House, open_house
from core.models.calls import import_litellm
from core.models.router import REPLAY_PREFIX, model_names
from core.redis.server import EmbeddedRedis
from core.secrets.secrets import Secrets
from core.secrets.vault import Vault
from core.settings import Settings
from core.store.errors import OUTAGES, outage

MAX_LOG_BYTES = 4_000_000
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 8.0
MAX_DEATHS_PER_MINUTE = 3
"""The embedded Redis is started again this often; after that something is wrong."""
DEATH_NOTICE_SECONDS = 0.5
"""How long after an error to wait for news of Redis' death."""

log = logging.getLogger("stoa")


class Supervisor:
    """Serves a house, and serves it again once Redis is back after an outage."""

    def __init__(
        self, settings: Settings, url: str, server: EmbeddedRedis | None, tell: Callable[[str], Awaitable[None]]
    ) -> None:
        """`tell` is told when Redis goes away."""
        self._settings = settings
        self._url = url
        self._server = server
        self._tell = tell
        self._served = False
        self._pause = FIRST_PAUSE_SECONDS
        self._deaths: list[float] = []

    async def run(self, serve: Callable[[House], Awaitable[None]]) -> None:
        """Raises `StoreUnavailable` if there is no Redis to begin with, or if an embedded one keeps dying."""
        while True:
            try:
                return await self._serve(serve)
            except OUTAGES as error:
                await self._recover(error)

    async def _serve(self, serve: Callable[[House], Awaitable[None]]) -> None:
        async with open_house(self._settings, self._url) as house:
            await seed(house)
            if not self._served:
                _load_models(self._settings)
            self._served, self._pause = True, FIRST_PAUSE_SECONDS
            await serve(house)

    async def _recover(self, error: Exception) -> None:
        """Wait until it is worth trying again; raises the error if it is no outage."""
        obituary = await self._obituary()
        trouble = obituary or outage(error)
        if not self._served or not trouble:
            raise error
        log.error("%s", trouble)
        if obituary or self._pause == FIRST_PAUSE_SECONDS:
            await self._tell(f"{trouble} Trying again.")
        if obituary and self._server:
            await self._restart(self._server, obituary)
        else:
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)

    async def _restart(self, server: EmbeddedRedis, obituary: str) -> None:
        now = time.monotonic()
        self._deaths = [*(at for at in self._deaths if now - at < 60), now]
        if len(self._deaths) > MAX_DEATHS_PER_MINUTE:
            raise StoreUnavailable(f"{obituary} That was {len(self._deaths)} times in a minute; try `stoa doctor`.")
        await server.restart()

    async def _obituary(self) -> str:
        if self._server is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DEATH_NOTICE_SECONDS):
                    return await self._server.died()
        return ""


def _load_models(settings: Settings) -> None:
    """Load litellm beside everything else: it takes seconds that the first message need not wait for."""
    if not all(name.startswith(("offline", REPLAY_PREFIX)) for name in model_names(settings)):
        threading.Thread(target=import_litellm, name="litellm", daemon=True).start()


def when_asked_to_end(then: Callable[[], object], *also: signal.Signals) -> None:
    """Call `then` on SIGTERM, SIGHUP and these other signals."""
    for ending in (signal.SIGTERM, signal.SIGHUP, *also):
        asyncio.get_running_loop().add_signal_handler(ending, then)


@contextlib.contextmanager
def logged(settings: Settings, name: str) -> Iterator[None]:
    """Log to a file of this name that only the owner can read, or to standard error if the settings say so."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.log == "stderr":
        handler: logging.Handler = logging.StreamHandler()
    else:
        handler = _PrivateFile(settings.home / name, maxBytes=MAX_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s", settings.home))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Makes each new file readable by its owner alone."""

    def _open(self) -> TextIOWrapper:
        return TextIOWrapper(open(self.baseFilename, "ab", opener=private), self.encoding)


class _Redacting(logging.Formatter):
    """Leaves out the values of secrets, in tracebacks, too."""

    def __init__(self, form: str, home: Path) -> None:
        super().__init__(form)
        self.secrets = Secrets(vault=Vault(home))

    def format(self, record: logging.LogRecord) -> str:
        return self.secrets.redacted(super().format(record))
