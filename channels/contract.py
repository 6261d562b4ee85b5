"""What a channel is: something that listens to a platform, sends to it, and can reach one person on it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from channels.dialects import Dialect
from core.approvals import Choice


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a message; `read` fetches its bytes and may be asked once more if that failed."""

    name: str
    media_type: str
    size: int
    """In bytes, as the platform says."""
    read: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What someone wrote, chose, or did to what was written."""

    conversation: str
    """The platform's name for a direct message, a room or a thread; answers go there."""
    sender: str
    """The platform's id of who wrote."""
    text: str
    id: str
    """The platform's own, so that the same message told twice is taken once; an edit and a deletion name it, too."""
    name: str = ""
    """How the platform calls the sender."""
    room: str = ""
    """The name of the room that others read along in; empty where the sender is alone with us."""
    addressed: bool = True
    """Whether it is meant for us: a direct message, a mention, or something said in a thread of ours."""
    kind: Literal["message", "edit", "deletion"] = "message"
    version: str = ""
    """For an edit, what tells it from another edit of the same message."""
    files: tuple[File, ...] = ()
    choice: str = ""
    """The id of the choice that was pressed, as the outbound message gave it."""
    reply_to: str = ""
    """What the platform calls the message that this one answers, if it says so."""


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """What someone shall read."""

    conversation: str
    text: str
    """As the channel's dialect writes it."""
    key: str = ""
    """The name of this very message, for a platform that can be asked whether it has taken it."""
    choices: tuple[Choice, ...] = ()
    """Answers to press, where the text is a question; a channel without buttons lets people type one."""


class Channel(Protocol):
    """An adapter to one platform."""

    name: str

    @property
    def dialect(self) -> Dialect:
        """How Markdown is written there, and how much of it one message may hold."""
        ...

    def listen(self) -> AsyncIterator[InboundMessage]:
        """Each message as it arrives, until the platform has no more to say.

        A message counts as taken when the next one is asked for; one that was not is yielded again.
        """
        ...

    async def send(self, message: OutboundMessage) -> str:
        """Show the message and return what the platform calls it.

        Raises `ChannelClosed` when nobody reads any more, `Later` where the platform says how long to wait, and
        `Undeliverable` where trying again would not help.
        """
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


@runtime_checkable
class Confirms(Protocol):
    """A channel whose platform can be asked whether it has taken a message."""

    async def find(self, message: OutboundMessage) -> str | None:
        """What the platform calls the message if it has taken it, else None."""
        ...


@runtime_checkable
class Edits(Protocol):
    """A channel that can change what it has shown."""

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        """Show this instead of the message that the platform calls `id`; False if it does not show that any more."""
        ...


class ChannelClosed(Exception):
    """Whoever read this channel has gone; there is nothing to mend."""


class Later(Exception):
    """The platform wants us to wait so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the platform asks to wait {seconds:g} seconds")
        self.seconds = seconds


class Undeliverable(Exception):
    """The message cannot be shown there, now or later; the text says why, for the owner to read."""
