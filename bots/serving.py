"""Serving this house's accounts on their platforms."""

import asyncio
from collections.abc import Callable
from importlib import import_module

from bots.home_page import home_page
from bots.hosts import seats
from bots.mail import feeds
from channels.accounts import Account, open_channel
from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import Bindings
from channels.bridge.reception import Parts
from channels.bridge.serving import Serving
from channels.contract import Channel
from channels.people.people import People
from core.house import House
from core.secrets.secrets import Secrets


def serving(house: House, opens: Callable[[Account, Secrets], Channel] = open_channel) -> Serving:
    """Serves every account that no other process serves."""
    parts = Parts(
        house.spaces,
        People(house.spaces, house.approvals),
        Bindings(house.store),
        FileTransfer(house.attachments, house.store, house.transcriber.text if house.transcriber else None),
        seats(house),
        home_page(house),
        feeds(house),
    )
    return Serving(parts, house.secrets, opens=opens)


async def webhooks(house: House) -> None:
    """Take webhooks until cancelled, likewise."""
    loaded = await asyncio.to_thread(import_module, "channels.webhook.serving")
    await loaded.serve_webhooks(house)


async def page(house: House) -> None:
    """Serve the page until cancelled; what that needs is loaded beside everything else."""
    loaded = await asyncio.to_thread(import_module, "channels.web.serving")
    await loaded.serve_page(house)
