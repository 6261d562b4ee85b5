"""Feeds: what others wrote, perhaps not to us, such as the mail in the owner's mailbox.

An item becomes an atom of outside origin in the feed's space. Nobody is let in by it and nobody is answered.
"""

from collections.abc import Awaitable, Callable

from channels.bridge.attachments import FileTransfer
from channels.contract import Channel, InboundMessage, InboundPassage
from channels.text import clean, one_line
from core.atoms.atoms import Origin, Principal, Value
from core.atoms.validation import MAX_CONTENT_BYTES
from core.errors import NotFound
from core.spaces.spaces import Actor, Spaces

ITEM_ROLE = "item"
CUT_NOTE = "\n\n(The rest is too long and was left out.)"
PASSAGE_HEADINGS = {
    "forwarded": "Forwarded with it:",
    "quoted": "Quoted in it:",
    "attachment": "With it:",
    "link": "Link:",
}

OpenFeed = Callable[[str, str], Awaitable[None]]
"""Gives a feed its space and its reader, again and again without harm: the space, and the account that writes it."""


async def no_feeds(space: str, account: str) -> None:
    """For a house without feeds."""
    raise NotFound(f"There is no feed {space!r} here, so nothing of {account} is kept in it.")


def feed_writer(account: str) -> Principal:
    """The principal that puts the items of an account's feed."""
    return Principal(f"channel-{account}", Origin.OUTSIDE)


class Feeds:
    """The feeds of one account."""

    def __init__(self, spaces: Spaces, channel: Channel, files: FileTransfer, open_feed: OpenFeed) -> None:
        self._spaces = spaces
        self._channel = channel
        self._files = files
        self._open = open_feed

    async def put(self, message: InboundMessage) -> str:
        """Keep an item, once however often it is told; answers what is said about it there, which is nothing."""
        await self._open(message.feed, self._channel.name)
        received = await self._files.fetched(self._channel, message.files, guest=True)
        text = _fitting(item_text(message, received.trouble))
        who = message.name or message.sender or "somebody"
        facts: dict[str, Value] = {name: one_line(value, 500) for name, value in message.about}
        if message.subject:
            facts["subject"] = one_line(message.subject, 300)
        if message.sent:
            facts["sent"] = message.sent
        space = self._spaces.open(message.feed, Actor(feed_writer(self._channel.name)))
        await space.put(
            text,
            comment=one_line(f"{message.feed} from {who}: {message.subject or message.text}", 250),
            metadata={**facts, "role": ITEM_ROLE, "from": one_line(who)},
            operation=f"{self._channel.name}:{message.id}",
            attachments=received.files,
            at_once=True,
        )
        return ""


def item_text(message: InboundMessage, trouble: str = "") -> str:
    """An item as it is read: its headers, its text, and what others say in it."""
    told = dict(message.about)
    writer = message.name or "unknown"
    if (address := told.get("address", message.sender)) and address != writer:
        writer = f"{writer} <{address}>"
    lines = [("From", writer), ("To", told.get("recipients", ""))]
    lines += [("Date", message.sent.isoformat() if message.sent else ""), ("Subject", message.subject)]
    head = "\n".join(f"{label}: {one_line(value, 500)}" for label, value in lines if value)
    own = message.text.removeprefix(message.subject).strip() if message.subject else message.text
    parts = [head, own, *(_passage(one) for one in message.passages), trouble]
    return clean("\n\n".join(part for part in parts if part.strip()))


def _passage(passage: InboundPassage) -> str:
    return f"{PASSAGE_HEADINGS[passage.kind]}\n{passage.text.strip()}"


def _fitting(text: str) -> str:
    """The text, cut where it is longer than an atom may be."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_CONTENT_BYTES:
        return text
    return data[: MAX_CONTENT_BYTES - len(CUT_NOTE)].decode("utf-8", "ignore") + CUT_NOTE
