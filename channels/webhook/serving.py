"""Serves the addresses of webhooks."""

import asyncio
import logging
from contextlib import closing

from channels.listening import listening_at, serve_application
from channels.webhook.receiver import Receiver
from core.errors import InvalidInput
from core.house import House

log = logging.getLogger(__name__)


async def serve_webhooks(house: House) -> None:
    """Serve webhooks until cancelled. Where they are switched off, or the port is taken, wait and serve nothing."""
    settings = house.settings
    try:
        if settings.webhook_port:
            place = (settings.webhook_host, settings.webhook_port)
            with closing(listening_at(*place, "Webhooks", "STOA_WEBHOOK_PORT")) as listening:
                await serve_application(Receiver(house.spaces, house.secrets).app(), listening)
    except InvalidInput as error:
        log.warning("%s", error)
    await asyncio.Event().wait()
