"""The contract of a channel: it listens to a platform, sends to it, and can reach one person on it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from channels.markdown import Dialect
from core.trust.approvals import Choice

Kind = Literal["message", "edit", "deletion", "reaction", "stop", "home", "lost", "back"]
InboundPassageKind = Literal["forwarded", "link", "attachment", "quoted"]


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a message; a channel that has any reads it (`ReadsFiles`)."""

    name: str
    media_type: str
    size: int
    """In bytes, as the platform says."""
    place: str
    """Where the platform keeps it; never a place that holds a secret."""
    recorded: bool = False
    """True for a voice note that the sender recorded here: only then are its words the sender's own."""


@dataclass(frozen=True, slots=True)
class InboundPassage:
    """Text in a message that somebody other than its sender wrote.

    Its text is never in the message's own `text` as well: that holds the sender's words alone.
    """

    text: str
    author: str = ""
    """The writer's name, as people read it on the platform; empty where it is unknown."""
    kind: InboundPassageKind = "forwarded"
    """`link` is what the platform shows of a page, `attachment` text that came in a box or a snippet."""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """Something that a person wrote, chose, or did to a message."""

    conversation: str
    """The platform's name for a direct message, a room or a thread; answers go there."""
    sender: str
    """The platform's id of who wrote, wide enough to be told from everybody else's on it."""
    text: str
    """The text; of a reaction the emoji; of a lost conversation the reason."""
    id: str
    """The platform's own, so that the same message told twice is taken once; an edit and a deletion name it, too."""
    name: str = ""
    """The sender's name on the platform."""
    room: str = ""
    """The name of the room that others read along in; empty where the sender is alone with us."""
    parent: str = ""
    """The conversation that this one is a thread of."""
    addressed: bool = True
    """True for a direct message or a mention. The bridge knows by itself which threads are ours."""
    bot: bool = False
    """True if a program wrote it."""
    kind: Kind = "message"
    """`reaction`: `text` is an emoji that was put to the message `reply_to`. `stop`: the stop button was pressed, so
    that what is under way here ends. `home`: someone looks at our page there. `lost`: nobody can be reached in this
    conversation any more, for the reason in `text`. `back`: the platform was out of reach for so long that it may have
    forgotten to tell us something."""
    version: str = ""
    """For an edit, what tells it from another edit of the same message."""
    files: tuple[File, ...] = ()
    passages: tuple[InboundPassage, ...] = ()
    choice: str = ""
    """The id of the choice that was pressed, as the outbound message gave it."""
    reply_to: str = ""
    """The platform's name of the message that this one answers, if it tells."""
    passing: bool = False
    """True for something that is no message in the conversation, such as a pressed choice or a command."""
    sent: datetime | None = None
    """When it was written, where the platform tells."""
    feed: str = ""
    """The space in which it is kept as outside text unless somebody we know wrote it to us; of a stranger nobody is
    asked about. Its sender is empty where nobody vouches for who that is."""
    subject: str = ""
    about: tuple[tuple[str, str], ...] = ()
    """Facts that the atom keeps of an item of a feed, by name."""


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message to somebody."""

    conversation: str
    text: str
    """As the channel's dialect writes it."""
    key: str = ""
    """The name of this very message, for a platform that can be asked whether it has taken it."""
    choices: tuple[Choice, ...] = ()
    """Answers to press, where the text is a question; a channel without buttons lets people type one."""
    growing: bool = False
    """True while the text is the beginning of an answer that is still being written."""
    to: str = ""
    """The platform's id of whom it is for, where that is known."""


class Channel(Protocol):
    """An adapter to one account on a platform.

    It is entered (`async with`) before it is used, which connects it, and left at the end. Entering, `listen` and the
    calls raise `Unusable` when the account as a whole cannot be used until somebody mends it.
    """

    name: str
    """The account's name, such as `slack`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def dialect(self) -> Dialect:
        """Writes Markdown as the platform does, and knows how much one message may hold."""
        ...

    def listen(self) -> AsyncIterator[InboundMessage]:
        """Each message as it arrives, until the platform has no more to say.

        A message counts as taken when the next one is asked for, and only then is it acknowledged to the platform;
        one that was not is yielded again. A connection that is lost is made anew in here.
        """
        ...

    async def send(self, message: OutboundMessage) -> str:
        """Show the message and return what the platform calls it.

        Raises `ChannelClosed` when nobody reads any more, `Later` where the platform says how long to wait, and
        `Undeliverable` where trying again would not help. While the platform cannot be reached it is an `OSError`.
        """
        ...

    async def direct(self, person: str) -> str:
        """The conversation in which this person (the platform's id, as `sender` has it) is alone with us.

        Raises `Undeliverable` where there is none.
        """
        ...


@runtime_checkable
class ShowsDrafts(Protocol):
    """A channel that can show that an answer is being written: a status, or the words themselves."""

    async def draft(self, conversation: str, agent: str, text: str | None) -> None:
        """Show the text so far: empty while nothing is written yet, None when the turn is over."""
        ...


@runtime_checkable
class Confirms(Protocol):
    """A channel whose platform can be asked whether it has taken a message."""

    async def find(self, message: OutboundMessage) -> str | None:
        """The platform's name of the message if it has taken it, else None."""
        ...


@runtime_checkable
class Edits(Protocol):
    """A channel that can change what it has shown."""

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        """Show this instead of the message that the platform calls `id`; False if it does not show that any more."""
        ...


@runtime_checkable
class Grows(Edits, Protocol):
    """A channel in which an answer can be seen growing: it is sent and edited with `growing`, at last without."""

    pace: float
    """The fewest seconds between two edits of one message that the platform bears."""

    async def remove(self, conversation: str, id: str) -> None:
        """Take a message of ours away; harmless where it is gone."""
        ...


@runtime_checkable
class Reacts(Protocol):
    """A channel whose messages can be answered with an emoji."""

    async def react(self, conversation: str, id: str, emoji: str) -> None:
        """Put the emoji to a message; our own never come back as inbound messages."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A channel whose messages carry files."""

    async def read(self, file: File) -> bytes:
        """The bytes of an inbound file; raises `Undeliverable` saying why there are none."""
        ...


@runtime_checkable
class SendsFiles(Protocol):
    """A channel that can show files."""

    async def send_file(self, conversation: str, name: str, media_type: str, data: bytes, key: str) -> str:
        """Show a file and return what the platform calls it; raises as `send` does."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A channel whose platform can be asked what was said while nobody listened."""

    def missed(self, conversation: str, after: str) -> AsyncIterator[InboundMessage]:
        """The messages of others after the one that is called `after`, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Home:
    """A person's page: lines of Markdown under headings, and the questions that wait for them."""

    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Heading and lines."""
    questions: tuple[OutboundMessage, ...] = ()


@runtime_checkable
class ShowsHome(Protocol):
    """A channel with a page of its own for each person."""

    async def home(self, person: str, home: Home) -> None:
        """Show the page to this person."""
        ...


@runtime_checkable
class Warns(Protocol):
    """A channel that can say, once it is entered, what will not work although the account as a whole does."""

    notes: tuple[str, ...]
    """Whole sentences for the owner, each with how to mend it."""


@runtime_checkable
class Explains(Protocol):
    """A channel that has something to say to the owner, once it is entered, though nothing is wrong."""

    hints: tuple[str, ...]


@runtime_checkable
class Reports(Protocol):
    """A channel that notices, while it listens, that messages do not reach it."""

    trouble: str
    """A whole sentence for the owner, with how to mend it; empty while all is well."""


class ChannelClosed(Exception):
    """Nobody reads this channel any more; there is nothing to mend."""


class Later(Exception):
    """The platform wants us to wait so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the platform asks to wait {seconds:g} seconds")
        self.seconds = seconds


class Undeliverable(Exception):
    """The message cannot be shown there, now or later; the text says why, for the owner to read."""


class Unusable(Exception):
    """The account cannot be used, for anything, until somebody mends it; the text says what to do."""
