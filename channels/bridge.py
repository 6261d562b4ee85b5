"""The bridge carries what people write from a channel into a chat space, and what agents answer back to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta

from channels.cards import Cards
from channels.contract import (
    Channel,
    ChannelClosed,
    InboundMessage,
    OutboundMessage,
    ShowsDrafts,
    Undeliverable,
)
from channels.delivery import PATIENCE, Delivery
from channels.outbox import Outbox
from channels.rendering import clean, one_line
from core.atoms import OWNER, Atom, Change, Principal, id_from
from core.checks import LONGEST_CONTENT
from core.clock import Clock
from core.errors import InvalidInput, StoaError, StoreUnavailable
from core.notifications import Notifications
from core.spaces import Spaces

LOOK = 0.2
"""Seconds between two looks whether anything is still under way."""
AWAY = timedelta(minutes=5)
"""What is older than this when it is shown says when it was said."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Binding:
    """Which conversation of a channel is which chat space, and who speaks there."""

    conversation: str
    space: str = "chat"
    person: Principal = OWNER


class Bridge:
    """One channel's conversation joined to its chat space.

    Towards the space a message is taken once, whatever the platform repeats. Towards people every answer is shown at
    least once and in order: the cursor moves after the send, so whoever comes late is shown what was missed.
    """

    def __init__(
        self,
        spaces: Spaces,
        notifications: Notifications,
        clock: Clock,
        channel: Channel,
        binding: Binding,
        patience: Sequence[float] = PATIENCE,
    ) -> None:
        self.channel = channel
        self.binding = binding
        self.space = spaces.open(binding.space, binding.person)
        self.subscriber = f"channel:{channel.name}:{binding.conversation}"
        self._delivery = Delivery(channel, binding.conversation, Outbox(spaces.store, self.subscriber), patience)
        self._notifications = notifications
        self._clock = clock
        self._cards = Cards(spaces, channel, binding.conversation, binding.person)
        self._open: dict[str, str] = {}  # messages without an answer: atom id -> the cause its answer will name
        self._writing: set[str] = set()  # agents with a turn under way in the space
        self._progress = asyncio.Condition()

    async def serve(self, wait: float = 0, idle: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Carry messages both ways until the channel has no more to say.

        Then wait, up to `wait` seconds, until each message is answered, `idle` says that nothing is under way any more,
        and all that was said is shown. Ends quietly when nobody reads any more.
        """
        try:
            await first(self._converse(wait, idle or _always), self.deliver(), self.show_drafts(), self.show_cards())
        except ChannelClosed:
            log.info("nobody reads %s any more", self.channel.name)

    async def receive(self) -> None:
        """Take what people write, until the channel ends. What cannot be taken is answered with the reason."""
        async for message in self.channel.listen():
            try:
                await self._take(message)
            except StoreUnavailable:
                raise
            except StoaError as error:
                await self.channel.send(OutboundMessage(message.conversation, str(error)))

    async def deliver(self) -> None:
        """Show what agents say in the space: first what was missed, then each answer as it comes."""
        after = await self._notifications.cursor(self.subscriber, self.space.id)
        async for change in self.space.follow(after or 0):
            if change.operation == "put":
                await self._look_at(change)
            await self._notifications.advance(self.subscriber, self.space.id, change.seq)

    async def show_drafts(self) -> None:
        """Let the channel show answers while they are being written, if it can."""
        async for draft in self._notifications.drafts(self.space.id):
            if isinstance(self.channel, ShowsDrafts):
                await self.channel.draft(self.binding.conversation, draft.agent, draft.text)
            async with self._progress:
                (self._writing.discard if draft.text is None else self._writing.add)(draft.agent)
                self._progress.notify_all()

    async def show_cards(self) -> None:
        """Put what only the owner may decide to them, in a conversation of theirs."""
        if self.binding.person == OWNER:
            await self._cards.run()
        else:
            await asyncio.Event().wait()

    async def _converse(self, wait: float, idle: Callable[[], Awaitable[bool]]) -> None:
        await self.receive()
        try:
            async with asyncio.timeout(wait):
                while True:
                    async with self._progress:
                        await self._progress.wait_for(lambda: not self._open and not self._writing)
                    if await idle() and await self._shown():
                        return
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            log.info("left with %d messages unanswered after %s s", len(self._open), wait)

    async def _shown(self) -> bool:
        """Whether everything in the space has been looked at."""
        after = await self._notifications.cursor(self.subscriber, self.space.id)
        return after is not None and after >= await self.space.newest()

    async def _take(self, message: InboundMessage) -> None:
        if await self._cards.answer(message):
            return
        if (size := len(message.text.encode(errors="replace"))) > LONGEST_CONTENT:
            raise InvalidInput(
                f"That message is too long for me ({size:,} bytes, {LONGEST_CONTENT:,} at most), so I have not taken "
                "it. Please send it in parts."
            )
        text = clean(message.text)
        if not text.strip():
            raise InvalidInput("There is no readable text in that message, so I have not taken it.")
        operation = f"{self.subscriber}:{message.id}"
        atom = id_from(f"{self.space.id}/{operation}")
        self._open[atom] = ""
        try:
            await self.space.put(text, comment=one_line(text), metadata={"role": "user"}, operation=operation)
        except BaseException:
            self._open.pop(atom, None)
            raise

    async def _look_at(self, change: Change) -> None:
        if change.atom in self._open:
            self._open[change.atom] = change.cause.root or f"{change.space}/{change.seq}"
            return
        atom = await self.space.get(change.atom)
        if atom.metadata.get("role") != "assistant":
            return
        await self._deliver(atom, change)
        answered = {reference.rpartition("/")[2] for reference in atom.references.get("reply_to", [])}
        async with self._progress:
            self._open = {
                asked: root for asked, root in self._open.items() if asked not in answered and root != change.cause.root
            }
            self._progress.notify_all()

    async def _deliver(self, atom: Atom, change: Change) -> None:
        """Send one answer, trying again for a while; what nobody could be shown is noted in the space."""
        text = atom.content
        if self._clock.now() - change.at > AWAY:
            text = f"*(said {change.at.astimezone(self._clock.zone):%A %d %B at %H:%M})*\n{text}"
        try:
            await self._delivery.show(atom.ref, text)
        except Undeliverable as error:
            await self.space.put(
                f"This answer could not be shown in {self.channel.name}: {error}",
                comment=f"an answer could not be shown in {self.channel.name}",
                metadata={"role": "note"},
                references={"about": [atom.ref]},
                operation=f"undelivered:{self.subscriber}:{atom.id}",
            )


async def _always() -> bool:
    return True


async def first(*work: Coroutine[object, object, None]) -> None:
    """Run all of it until the first part ends, stop the rest, and raise what ended it if that was an error."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*done)
    finally:
        while running := [task for task in tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=0.2)  # and again: asyncio.wait_for in 3.11 can swallow a cancellation
