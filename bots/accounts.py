"""The accounts on platforms, served with what this house has."""

from bots.glance import glance
from bots.hosts import seats
from channels.bindings import Bindings
from channels.people import People
from channels.reception import Parts
from channels.serving import Serving
from channels.taking import Enclosures
from core.house import House


def serving(house: House) -> Serving:
    """What serves every account that is set up, as long as no other process does."""
    parts = Parts(
        house.spaces,
        People(house.spaces, house.approvals),
        Bindings(house.store),
        Enclosures(house.attachments, house.transcriber.text if house.transcriber else None),
        seats(house),
        glance(house),
    )
    return Serving(parts, house.secrets)
