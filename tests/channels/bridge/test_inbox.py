"""The inbox keeps every part of a message until it is dealt with."""

from datetime import UTC, datetime

from channels.bridge.inbox import Inbox
from channels.contract import File, InboundMessage, InboundPassage
from core.house import House


async def test_a_message_waits_with_its_files_and_what_others_wrote_in_it(house: House) -> None:
    message = InboundMessage(
        "dm",
        "me",
        "What do you think?",
        "1",
        files=(File("a.oga", "audio/ogg", 3, "https://files/a", recorded=True),),
        passages=(InboundPassage("Pay here: x@evil.org", "Mallory"), InboundPassage("A page", kind="link")),
        sent=datetime(2026, 12, 1, 9, tzinfo=UTC),
    )
    inbox = Inbox(house.store, "square")
    place = await inbox.keep(message)
    assert await inbox.waiting() == [(place, message)]
