"""The reception of an account: what people write there is journalled, admitted, and taken in order, each conversation
beside the others; and what agents say in the spaces of these conversations is shown."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from channels.bridge.admission import Admission, OpenConversation
from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import Binding, Bindings
from channels.bridge.bridge import Bridge
from channels.bridge.conversation import Conversation
from channels.bridge.delivery import RETRY_SECONDS, Failed, attempted
from channels.bridge.feeds import Feeds, OpenFeed, no_feeds
from channels.bridge.home import HomePages
from channels.bridge.inbox import Inbox
from channels.bridge.routing import Routing, tell_owner
from channels.contract import (
    Channel,
    ChannelClosed,
    Home,
    InboundMessage,
    Later,
    Remembers,
    Undeliverable,
)
from channels.people.people import People
from core.atoms.atoms import OWNER
from core.errors import StoaError
from core.spaces.spaces import Spaces
from core.store.leases import Lease

INBOX_POLL_SECONDS = 0.5
"""Seconds between two looks for messages that somebody else has put into the inbox, such as those of one let in."""
IDLE_POLL_SECONDS = 0.05
"""Seconds between two looks whether everything is taken and shown."""
CONVERSATION_RETRY_SECONDS = 5.0
"""Seconds until a conversation is served again that could not be, or opened that was not there, or let rest."""
NOT_TAKEN = "Something went wrong while I took this message; it is in the log. Please say it again in another way."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that every reception shares."""

    spaces: Spaces
    people: People
    bindings: Bindings
    files: FileTransfer
    seat: OpenConversation
    home: Callable[[], Awaitable[Home]]
    """The owner's page."""
    open_feed: OpenFeed = no_feeds


class Reception:
    """One account's reception, for as long as this process holds its lease."""

    def __init__(
        self, parts: Parts, channel: Channel, lease: Lease, retry_seconds: Sequence[float] = RETRY_SECONDS
    ) -> None:
        self.channel = channel
        self.inbox = Inbox(parts.spaces.store, channel.name)
        self._parts = parts
        self._lease = lease
        self._feeds = Feeds(parts.spaces, channel, parts.files, parts.open_feed)
        self._pages = HomePages(channel, parts.home)
        self._bridge = Bridge(parts.spaces, channel, parts.files, retry_seconds)
        self._admission = Admission(parts.spaces, channel.name, parts.people, parts.bindings, parts.seat)
        self._conversations: dict[str, Conversation] = {}
        self._lanes: dict[str, asyncio.Queue[tuple[str, InboundMessage]]] = {}
        self._known = set[str]()
        self._done = set[str]()
        self._served: dict[str, list[asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._draining = False
        self._busy: dict[str, int] = defaultdict(int)
        self._resting = asyncio.Lock()
        """Held by whoever lets a thread rest, or wakes or unbinds one."""

    async def serve(self) -> None:
        """Take and show messages until the platform has no more to say; raises `Unusable` where it must be mended."""
        await self._admission.load()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await self._resume()
                await self._look()
                work = [
                    group.create_task(self._look_again(), name=f"inbox of {self.channel.name}"),
                    group.create_task(self._reach_owner(), name=f"the owner on {self.channel.name}"),
                    group.create_task(self._let_rest(), name=f"rest of {self.channel.name}"),
                ]
                await self._take_missed()
                try:
                    await self._receive()
                finally:
                    for task in work:
                        task.cancel()
                await self._until_idle()
                raise ChannelClosed(f"{self.channel.name} has no more to say")
        except* ChannelClosed as closed:
            log.info("%s", closed.exceptions[0])
        finally:
            self._group = None

    async def _resume(self) -> None:
        """Serve the conversations that were bound before, and forget those that are nobody's any more."""
        for name, binding in list(self._admission.bound.items()):
            if binding.resting or name not in self._admission.bound:  # unbound with what it is a thread of
                continue
            if await self._admission.stands(binding):
                self._conversation(name)
            else:
                await self._unbind(name)

    async def drain(self, seconds: float) -> None:
        """Take no more messages, and finish those under way, for so many seconds at most; the others are kept."""
        self._draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._until_idle()
        except TimeoutError:
            log.info("%s: %d messages are left to the next who serves it", self.channel.name, sum(self._busy.values()))

    async def _until_idle(self) -> None:
        while self._lanes or not all([await one.shown() for one in list(self._conversations.values())]):  # noqa: ASYNC110
            await asyncio.sleep(IDLE_POLL_SECONDS)

    async def _receive(self) -> None:
        async for message in self.channel.listen():
            self._lease.check()
            if self._draining:
                await asyncio.Event().wait()  # not taken, so the platform tells it to the next who listens
            if message.kind == "back":
                await self._take_missed()
                continue
            if place := await self.inbox.keep(message):
                self._hand(place, message)

    async def _look(self) -> None:
        """Take what lies in the inbox since before, and what others put there."""
        done = set(self._done)  # not in the inbox any more; what is dealt with from here on may still be read there
        for place, message in await self.inbox.waiting():
            self._hand(place, message)
        self._known -= done
        self._done -= done

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(INBOX_POLL_SECONDS)
            await self._look()

    async def _let_rest(self) -> None:
        """Follow no more threads of direct messages than were spoken in lately: each would look at every change."""
        while True:
            recent = {place for place, _ in await self.inbox.recent()}
            for name, made in list(self._conversations.items()):
                idle = made.binding.may_rest and made.binding.parent in self._conversations and name not in recent
                if idle:
                    await self._rest(name, made)
            await asyncio.sleep(CONVERSATION_RETRY_SECONDS)

    async def _rest(self, name: str, made: Conversation) -> None:
        """Let a thread rest, unless something is under way in it."""
        async with self._resting:
            if self._conversations.get(name) is not made:
                return
            binding = made.binding.model_copy(update={"resting": True})
            self._admission.bound[name] = binding  # from now on it is woken by what is to be shown in it
            if name in self._lanes or made.open or not await made.shown():
                self._admission.bound[name] = made.binding
                return
            self._end(name)  # before it is written down, lest it begins to show what another shows to the end
            self._lease.check()
            await self._parts.bindings.save(binding)

    async def _wake(self, id: str) -> None:
        """Let a thread that rests go on from where its direct message is, which has looked at all before."""
        async with self._resting:
            binding = self._admission.bound.get(id.partition("/")[2])
            if binding is None or binding.id != id or not binding.resting:
                return
            around = self._admission.bound.get(binding.parent, binding)
            after = await self._parts.spaces.notifications.cursor(around.subscriber, binding.space)
            self._lease.check()
            await self._parts.spaces.notifications.advance(binding.subscriber, binding.space, after or 0)
            awake = binding.model_copy(update={"resting": False})
            await self._parts.bindings.save(awake)
            self._admission.bound[binding.conversation] = awake
            self._conversation(binding.conversation)

    async def _reach_owner(self) -> None:
        """Open the owner's direct message where they have an account and never wrote in one."""
        closed = set[str]()
        while True:
            self._lease.check()
            for sender in await self._admission.unreached():
                try:
                    if sender not in closed:
                        conversation = await self.channel.direct(sender)
                        await self._admission.reach(sender, conversation)
                        self._conversation(conversation)
                except Undeliverable as error:
                    closed.add(sender)
                    log.warning("%s opens no direct message with its owner: %s", self.channel.name, error)
                except (Later, OSError) as error:
                    log.info("%s opens no direct message now: %s", self.channel.name, error)
            await asyncio.sleep(CONVERSATION_RETRY_SECONDS)

    async def _take_missed(self) -> None:
        """Take what was said while nobody listened, where the platform can tell."""
        if not isinstance(self.channel, Remembers):
            return
        looked = dict(await self.inbox.recent())
        waiting = deque(looked.items())
        while waiting:
            conversation, after = waiting.popleft()
            try:
                async for message in self.channel.missed(conversation, after):
                    if looked.setdefault(message.conversation, message.id) == message.id:  # a thread nobody told us of
                        waiting.append((message.conversation, message.id))
                    if place := await self.inbox.keep(message):
                        self._hand(place, message)
            except (Undeliverable, Later, OSError) as error:
                log.info("%s cannot say what was missed in %s: %s", self.channel.name, conversation, error)

    def _hand(self, place: str, message: InboundMessage) -> None:
        """Put a message into the lane of its conversation; each is handed over once."""
        if place in self._known or self._group is None:
            return
        self._known.add(place)
        self._busy[message.conversation] += 1
        if message.conversation not in self._lanes:
            lane = self._lanes[message.conversation] = asyncio.Queue[tuple[str, InboundMessage]]()
            self._group.create_task(self._run(message.conversation, lane), name=f"lane {message.conversation}")
        self._lanes[message.conversation].put_nowait((place, message))

    async def _run(self, name: str, lane: asyncio.Queue[tuple[str, InboundMessage]]) -> None:
        """Take the messages of one conversation, one after the other, until there are none."""
        while not lane.empty():
            place, message = lane.get_nowait()
            self._lease.check()
            await self._deal_with(message)
            await self.inbox.done(place)
            self._done.add(place)
            self._busy[name] -= 1
        del self._lanes[name], self._busy[name]

    async def _deal_with(self, message: InboundMessage) -> None:
        """One message; whatever is wrong with it, the others are taken."""
        if not isinstance(done := await attempted(lambda: self._deliver_in(message)), Failed):
            return
        if not isinstance(done.error, StoaError):
            log.error("%s: a message could not be taken", self.channel.name, exc_info=done.error)
        await self._say(message, str(done.error) if isinstance(done.error, StoaError) else NOT_TAKEN)

    async def _deliver_in(self, message: InboundMessage) -> None:
        if message.kind == "lost":
            await self._lose(message)
        elif said := await self._take(message):
            await self._say(message, said)
        for name, binding in list(self._admission.bound.items()):  # what was bound just now, after the word of it
            if not binding.resting:
                self._conversation(name)

    async def _take(self, message: InboundMessage) -> str:
        """Take a message; what is to be said about it, perhaps nothing."""
        item = await self._admission.is_item(message)
        place = await (self._feeds.put(message) if item else self._admission.admit(message))
        if isinstance(place, str):
            if message.kind == "home":
                await self._pages.show(message.sender, owner=False)
            return place
        if message.kind == "home":
            await self._pages.show(message.sender, owner=place.speaker.principal == OWNER)
            return ""
        if place.binding.resting:
            await self._wake(place.binding.id)
        conversation = self._conversation(place.binding.conversation)
        if place.speaker.principal == OWNER and await conversation.cards.answer(message, OWNER):
            if message.choice:
                await self._pages.show(message.sender, owner=place.speaker.principal == OWNER)
            return ""
        if message.kind != "reaction" and not message.choice:
            return await conversation.take(replace(message, addressed=place.ours), place.speaker)
        return ""

    async def _lose(self, message: InboundMessage) -> None:
        """Nobody can be reached in a conversation any more: the owner is told, the others go on."""
        binding = await self._unbind(message.conversation)
        if binding is None:
            return
        where = f"#{message.room}" if message.room else "a direct message"
        said = f"I can say nothing in {where} on {self.channel.name} any more: {message.text.rstrip('.')}."
        await tell_owner(self._parts.spaces, said, f"lost:{binding.id}:{message.id}")

    async def _unbind(self, name: str) -> Binding | None:
        """Show nothing in a conversation and its threads any more, of what is said in the spaces they were bound to."""
        async with self._resting:
            lost = [one for one in self._admission.bound.values() if name in (one.conversation, one.parent)]
            for binding in lost:
                del self._admission.bound[binding.conversation]
                self._end(binding.conversation)
            for binding in sorted(lost, key=lambda one: not one.parent):  # last that by which the others are found
                await self._parts.bindings.remove(binding)
                await Routing(self._parts.spaces, binding.space, binding.person).presence.unused(binding.id)
        return next((one for one in lost if one.conversation == name), None)

    async def _say(self, message: InboundMessage, text: str) -> None:
        """Say a word of our own about a message, once, whatever breaks off in between."""
        if await self._admission.is_item(message):  # whose writer is never answered
            return
        place = message.conversation
        word = f"about {message.kind} {message.version} {message.id}"
        try:
            await self._bridge.delivery(place).show(word, text)
        except Undeliverable as error:
            log.warning("%s did not take a word of ours: %s", self.channel.name, error)

    def _conversation(self, name: str) -> Conversation:
        """The conversation of a binding, served from now on."""
        binding = self._admission.bound[name]
        if name not in self._conversations or self._conversations[name].binding is not binding:
            self._end(name)
            stands = partial(self._may_show, binding)
            wake = None if binding.may_rest else self._wake
            made = Conversation(self._bridge, binding, stands, wake)
            self._conversations[name] = made
            group = self._group
            assert group is not None
            self._served[name] = [
                group.create_task(self._kept_up(made, work), name=f"{work.__name__} {binding.id}")
                for work in (made.deliver, made.show_drafts, made.show_cards)
            ]
        return self._conversations[name]

    async def _may_show(self, binding: Binding) -> bool:
        """True if we may show something there."""
        self._lease.check()  # a process that stood still goes on with what another has done meanwhile
        return await self._admission.stands(binding)

    def _end(self, name: str) -> None:
        """Serve a conversation no more, if it was."""
        self._conversations.pop(name, None)
        for task in self._served.pop(name, ()):
            task.cancel()

    async def _kept_up(self, made: Conversation, work: Callable[[], Awaitable[None]]) -> None:
        """Do one part of a conversation's work, again if it fails: one broken conversation leaves the others alone."""
        while True:
            ended = await attempted(work)
            if isinstance(ended, Failed):
                log.error("%s could not be served, trying again", made.binding.id, exc_info=ended.error)
            await asyncio.sleep(CONVERSATION_RETRY_SECONDS)
