"""What a channel is: something that listens to a platform, sends to it, and can reach one person on it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What someone wrote. `id` is the platform's own, so that the same message told twice is taken once."""

    conversation: str
    sender: str
    text: str
    id: str


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """What someone shall read. The text is Markdown; each channel turns it into what its platform shows."""

    conversation: str
    text: str


class Channel(Protocol):
    """An adapter to one platform."""

    name: str

    def listen(self) -> AsyncIterator[InboundMessage]:
        """Each message as it arrives, until the platform has no more to say.

        A message counts as taken when the next one is asked for; one that was not is yielded again.
        """
        ...

    async def send(self, message: OutboundMessage) -> str:
        """Show the message and return what the platform calls it. Raises `ChannelClosed` when nobody reads any more."""
        ...

    async def direct(self, person: str) -> str:
        """The conversation in which this person is alone with us."""
        ...


@runtime_checkable
class ShowsDrafts(Protocol):
    """A channel that can show an answer while it is being written."""

    async def draft(self, conversation: str, agent: str, text: str | None) -> None:
        """Show the text so far: empty while nothing is written yet, None when the turn is over."""
        ...


class ChannelClosed(Exception):
    """Whoever read this channel has gone; there is nothing to mend."""
