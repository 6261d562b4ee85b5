"""Serves the page on this machine."""

import asyncio
import logging
import socket
from contextlib import closing

from channels.listening import listening_at, serve_application
from channels.web.access import Door
from channels.web.pages import Pages
from core.errors import InvalidInput
from core.house import House

log = logging.getLogger(__name__)


async def serve_page(house: House) -> None:
    """Serve the page until cancelled. Where it is switched off, or its port is taken, wait and serve nothing."""
    settings = house.settings
    try:
        if settings.web_port:
            with closing(listening_at(settings.web_host, settings.web_port, "The page", "STOA_WEB_PORT")) as listening:
                await serve_at(house, listening)
    except InvalidInput as error:
        log.warning("%s", error)
    await asyncio.Event().wait()


async def serve_at(house: House, listening: socket.socket) -> None:
    door = Door(listening.getsockname()[1], house.settings.web_url)
    await serve_application(Pages(house, door).app(), listening)
