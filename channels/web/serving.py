"""Serves the page on this machine."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from contextlib import closing

import uvicorn

from channels.web.access import Door
from channels.web.pages import Pages
from core.errors import InvalidInput
from core.house import House
from core.settings import Settings

MAX_CONNECTIONS = 200
CLOSING_SECONDS = 3.0
"""How long requests under way may take once the page is asked to end."""

log = logging.getLogger(__name__)


async def serve_page(house: House) -> None:
    """Serve the page until cancelled. Where it is switched off, or its port is taken, wait and serve nothing."""
    try:
        listening = _listen(house.settings)
    except InvalidInput as error:
        log.warning("%s", error)
        listening = None
    if listening is None:
        await asyncio.Event().wait()
        return
    with closing(listening):
        await serve_at(house, listening)


async def serve_at(house: House, listening: socket.socket) -> None:
    door = Door(listening.getsockname()[1], house.settings.web_url)
    config = uvicorn.Config(
        Pages(house, door).app(),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        limit_concurrency=MAX_CONNECTIONS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait([serving], timeout=CLOSING_SECONDS)
        serving.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(settings: Settings) -> socket.socket | None:
    """The socket of the page; raises `InvalidInput` where its port is taken."""
    if not settings.web_port:
        return None
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.web_host, settings.web_port))
    except OSError as error:
        listening.close()
        raise InvalidInput(
            f"The page cannot be served at {settings.web_host}:{settings.web_port} ({error.strerror}). "
            "STOA_WEB_PORT names another port; 0 switches the page off."
        ) from None
    return listening
