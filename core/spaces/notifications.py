"""Notifications: changes as they are published; those that were missed are read from the log, by a durable cursor."""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import orjson
from redis import exceptions as redis_errors
from redis.asyncio import Redis

from core.atoms.atoms import Change, Principal
from core.errors import StoreUnavailable
from core.store.codec import read_change, unpack
from core.store.spaces import Cursors
from core.store.store import Store

LOG_PAGE = 500
"""Changes read at once."""
RIGHTS_OPERATIONS = frozenset(("share", "revoke"))
"""After such a change a reader must ask for its right again."""

Reading = Callable[[int], Awaitable[tuple[bool, list[Change]]]]
"""Reads a page of changes after a number; True if the right to read lasts until a change says otherwise."""


class LogReader:
    """Tells a reader of each change of a space once, in order.

    A published change is taken as it comes if it has the next number and touches no rights. Otherwise, and always
    where the right to read ends at a time, the log is read, which asks for the right.
    """

    def __init__(self, after: int, read: Reading, tell: Callable[[Change], None]) -> None:
        self.after = after
        self.stirred = asyncio.Event()
        """Set when changes were told or the log must be read on."""
        self.stirred.set()
        self._read = read
        self._tell = tell
        self._live = False
        self._missed = False
        self._heard = after

    def hear(self, change: Change | None) -> None:
        """Take a published change; None means that one may have been missed."""
        if change is None:
            self.pause()
        elif self._live and change.seq == self.after + 1 and change.operation not in RIGHTS_OPERATIONS:
            self.after = change.seq
            self._tell(change)
        elif change.seq > self.after:
            self._heard = max(self._heard, change.seq)
            self.pause()

    def pause(self) -> None:
        """Take no published changes until the log has been read to its end."""
        self._live = False
        self._missed = True
        self.stirred.set()

    async def read_on(self) -> None:
        """Read a page of the log if needed; at its end go on with what is published."""
        self.stirred.clear()
        if self._live:
            return
        self._missed = False
        standing, found = await self._read(self.after)
        for change in found:
            if change.seq > self.after:
                self.after = change.seq
                self._tell(change)
        if len(found) == LOG_PAGE or self._heard > self.after or self._missed:
            self.stirred.set()
        else:
            self._live = standing


RECONNECT_SECONDS = 0.2
Heard = TypeVar("Heard")
Listener = Callable[[bytes, bytes | None], None]
"""Takes a topic and a message from it; None means that messages may have been missed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that an agent is writing in a space, as far as it is; None once the turn is over."""

    agent: str
    text: str | None
    answers: tuple[str, ...] = ()
    """The atoms of the space that caused the turn."""


@dataclass(frozen=True, slots=True)
class Wake:
    """A change in a space, and the subscribers who want a turn for it."""

    space: str
    subscribers: tuple[str, ...]


class Notifications:
    """Tells any number of readers, over one connection, what has changed.

    A reader that was away misses nothing and hears nothing twice: the log has what was published meanwhile.
    """

    def __init__(self, store: Store, waiting: Redis) -> None:
        self.store = store
        self._topics = waiting.pubsub()
        self._cursors = Cursors(store)
        self._listeners: dict[bytes, dict[Listener, None]] = defaultdict(dict)
        self._readers: dict[bytes, dict[LogReader, None]] = defaultdict(dict)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Notifications":
        await self._topics.subscribe(self.store.keys.draft("-"))  # a connection with no topic would not be listened to
        self._task = asyncio.create_task(self._listen(), name="notifications")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(redis_errors.RedisError, OSError):
            await self._topics.aclose()  # type: ignore[no-untyped-call]

    async def changes(self, space: str, reader: Principal, after: int, limit: int = LOG_PAGE) -> list[Change]:
        """The changes that follow number `after`, oldest first; raises `NotFound` if the reader may not read."""
        entries = await self.store.run(*self.store.reading("stoa_changes", space, reader.id, after, limit))
        return [read_change(space, entry) for entry in entries]

    async def news(self, space: str, subscriber: Principal, after: int) -> tuple[int, list[Change]]:
        """The changes after number `after` that its subscription is about, and the number of the last one seen."""
        call = self.store.reading("stoa_news", space, subscriber.id, after, LOG_PAGE)
        last, entries = await self.store.run(*call)
        return int(last), [read_change(space, entry) for entry in entries]

    async def follow(self, space: str, reader: Principal, after: int) -> AsyncIterator[Change]:
        """Every change after number `after`, then each new one as it happens: no gap, none twice, in order.

        Once it has begun, Redis may be away for as long as it likes. Raises `NotFound` when the reader may not read.
        """
        found: deque[Change] = deque()

        def tell(change: Change) -> None:
            found.append(change)
            log.stirred.set()
            if len(found) > LOG_PAGE:  # the caller takes them slowly: the log keeps the rest
                log.pause()

        log = LogReader(after, self._log(space, reader), tell)
        async with self._listening(self._readers, self.store.keys.changes(space).encode(), log):
            await log.read_on()
            while True:
                while found:
                    yield found.popleft()
                await log.stirred.wait()
                await self._read_on(log)

    @contextlib.asynccontextmanager
    async def telling(
        self, space: str, reader: Principal, after: int, tell: Callable[[Change], None]
    ) -> AsyncIterator[None]:
        """Call `tell` with every change after number `after`, as `follow` does, as soon as it is heard of."""
        log = LogReader(after, self._log(space, reader), tell)

        async def read_on() -> None:
            while True:
                await log.stirred.wait()
                await self._read_on(log)

        async with self._listening(self._readers, self.store.keys.changes(space).encode(), log):
            await log.read_on()
            reading = asyncio.create_task(read_on(), name=f"changes of {space}")
            try:
                yield
            finally:
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reading

    async def wakes(self) -> AsyncIterator[Wake]:
        """Each change of any space as it is published. One may be lost with a connection: look at the cursors, too."""
        messages: asyncio.Queue[Wake] = asyncio.Queue()

        def hear(topic: bytes, message: bytes | None) -> None:
            if message is not None:
                woken, *_ = unpack(message)
                messages.put_nowait(Wake(self._space_of(topic), tuple(name.decode() for name in woken or ())))

        async with self._listening(self._listeners, self.store.keys.changes("*").encode(), hear, is_pattern=True):
            while True:
                yield await messages.get()

    async def cursor(self, subscriber: str, space: str) -> int | None:
        return await self._cursors.get(subscriber, space)

    async def advance(self, subscriber: str, space: str, seq: int, *, known: bool = False) -> None:
        """Note that everything up to `seq` is dealt with; a cursor never goes back, with `known` none begins."""
        await self._cursors.advance(subscriber, space, seq, known=known)

    async def draft(self, space: str, draft: Draft) -> None:
        message = orjson.dumps([draft.agent, draft.text, draft.answers])
        await self.store.publish(self.store.keys.draft(space), message)

    async def drafts(self, space: str) -> AsyncIterator[Draft]:
        messages: asyncio.Queue[Draft] = asyncio.Queue()

        def hear(_: bytes, message: bytes | None) -> None:
            if message is not None:
                agent, text, answers = orjson.loads(message)
                messages.put_nowait(Draft(agent, text, tuple(answers)))

        async with self._listening(self._listeners, self.store.keys.draft(space).encode(), hear):
            while True:
                yield await messages.get()

    def _log(self, space: str, reader: Principal) -> Reading:
        async def read(after: int) -> tuple[bool, list[Change]]:
            call = self.store.reading("stoa_follow", space, reader.id, after, LOG_PAGE)
            standing, entries = await self.store.run(*call)
            return bool(standing), [read_change(space, entry) for entry in entries]

        return read

    async def _read_on(self, log: LogReader) -> None:
        try:
            await log.read_on()
        except StoreUnavailable:
            await asyncio.sleep(RECONNECT_SECONDS)
            log.pause()

    def _space_of(self, topic: bytes) -> str:
        return topic.decode()[len(self.store.keys.changes("").rstrip("}")) : -1]

    @contextlib.asynccontextmanager
    async def _listening(
        self, listeners: dict[bytes, dict[Heard, None]], topic: bytes, one: Heard, *, is_pattern: bool = False
    ) -> AsyncIterator[None]:
        known = topic in self._listeners or topic in self._readers
        listeners[topic][one] = None
        try:
            if not known:
                await (self._topics.psubscribe if is_pattern else self._topics.subscribe)(topic)
            yield
        finally:
            del listeners[topic][one]
            if not listeners[topic]:
                del listeners[topic]
            if topic not in self._listeners and topic not in self._readers:
                with contextlib.suppress(redis_errors.RedisError, OSError):
                    await (self._topics.punsubscribe if is_pattern else self._topics.unsubscribe)(topic)

    async def _listen(self) -> None:
        """Hand every message to its listeners. At the start of a topic, also after a lost connection, they are told to
        look for themselves, since nothing published before has reached them.
        """
        while True:
            try:
                async for message in self._topics.listen():
                    topic, channel = message["pattern"] or message["channel"], message["channel"]
                    if message["type"] in ("message", "pmessage"):
                        self._give(topic, channel, message["data"])
                    elif message["type"] in ("subscribe", "psubscribe"):
                        self._give(topic, channel, None)
            except (redis_errors.RedisError, OSError):
                await asyncio.sleep(RECONNECT_SECONDS)

    def _give(self, topic: bytes, channel: bytes, message: bytes | None) -> None:
        for hear in list(self._listeners.get(topic, ())):
            hear(channel, message)
        if readers := self._readers.get(topic):
            change = None
            if message is not None:  # read once, for all readers
                _, seq, fields = unpack(message)
                change = read_change(self._space_of(channel), (b"%d" % seq, fields))
            for reader in list(readers):
                reader.hear(change)
