"""Notifications: the change log read from a durable cursor, with pub/sub only to say that there is more."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from redis import exceptions as redis_errors
from redis.asyncio import Redis

from core.atoms import Change, Principal
from core.store import Store, read_change, unpack

PAGE = 500


@dataclass(frozen=True, slots=True)
class Draft:
    """What an agent is about to say in a space: the text so far, or None once its turn is over."""

    agent: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Wake:
    """A change was made in a space, and these subscribers want a turn for it."""

    space: str
    subscribers: tuple[str, ...]


class Notifications:
    """Tells readers of spaces what has changed: one connection for any number of them.

    A reader's place is its cursor, so one that was away misses nothing and is told nothing twice; publishing only
    shortens the wait.
    """

    def __init__(self, store: Store, waiting: Redis) -> None:
        self.store = store
        self._topics = waiting.pubsub()
        self._readers: dict[bytes, set[asyncio.Queue[bytes | None]]] = defaultdict(set)
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

    async def changes(self, space: str, reader: Principal, after: int, limit: int = PAGE) -> list[Change]:
        """The changes that follow number `after`, oldest first; raises `NotFound` for who may not read the space."""
        entries = await self.store.run(*self.store.reading("stoa_changes", space, reader.id, after, limit))
        return [read_change(space, entry) for entry in entries]

    async def follow(self, space: str, reader: Principal, after: int) -> AsyncIterator[Change]:
        """Every change after number `after`, then each new one as it happens: no gap, none twice, in order."""
        topic = self.store.keys.changes(space).encode()
        async with self._reading(topic) as queue:
            while True:
                found = await self.changes(space, reader, after)
                for change in found:
                    after = change.seq
                    yield change
                if len(found) < PAGE:
                    await _any(queue)

    async def wakes(self) -> AsyncIterator[Wake]:
        """Each change of any space as it is published. One may be lost with a connection: look at the cursors, too."""
        pattern = self.store.keys.changes("*").encode()
        start = len(self.store.keys.changes("").rstrip("}"))
        async with self._reading(pattern, is_pattern=True) as queue:
            while True:
                message = await queue.get()
                if message is None:
                    continue
                topic, _, packed = message.partition(b"\n")
                woken = unpack(packed) or ()
                yield Wake(topic.decode()[start:-1], tuple(name.decode() for name in woken))

    async def cursor(self, subscriber: str, space: str) -> int | None:
        """The number of the last change this subscriber has dealt with; None if it never began."""
        seq = await self.store.run("HGET", self.store.keys.cursors(subscriber), space)
        return None if seq is None else int(seq)

    async def advance(self, subscriber: str, space: str, seq: int) -> None:
        """Remember that everything up to `seq` is dealt with; a cursor never goes back."""
        keys = self.store.keys
        names = (keys.lane(subscriber), keys.lease(subscriber), keys.cursors(subscriber))
        await self.store.run("FCALL", "stoa_advance", len(names), *names, space, seq)

    async def draft(self, space: str, draft: Draft) -> None:
        """Show who is looking at the space what an agent is about to say; kept nowhere."""
        await self.store.run("PUBLISH", self.store.keys.draft(space), orjson.dumps([draft.agent, draft.text]))

    async def drafts(self, space: str) -> AsyncIterator[Draft]:
        """What agents are about to say in the space, from now on."""
        async with self._reading(self.store.keys.draft(space).encode()) as queue:
            while True:
                message = await queue.get()
                if message is not None:
                    agent, text = orjson.loads(message.partition(b"\n")[2])
                    yield Draft(agent, text)

    @contextlib.asynccontextmanager
    async def _reading(self, topic: bytes, *, is_pattern: bool = False) -> AsyncIterator[asyncio.Queue[bytes | None]]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._readers[topic].add(queue)
        try:
            if len(self._readers[topic]) == 1:
                await (self._topics.psubscribe if is_pattern else self._topics.subscribe)(topic)
            yield queue
        finally:
            self._readers[topic].discard(queue)
            if not self._readers[topic]:
                del self._readers[topic]
                with contextlib.suppress(redis_errors.RedisError, OSError):
                    await (self._topics.punsubscribe if is_pattern else self._topics.unsubscribe)(topic)

    async def _listen(self) -> None:
        """Hand every message to its readers. Whenever a topic begins to be heard, at first or after a lost connection,
        its readers are told to look for themselves, since nothing that was published before has reached them.
        """
        while True:
            try:
                async for message in self._topics.listen():
                    topic = message["pattern"] or message["channel"]
                    if message["type"] in ("message", "pmessage"):
                        self._give(topic, message["channel"] + b"\n" + message["data"])
                    elif message["type"] in ("subscribe", "psubscribe"):
                        self._give(topic, None)
            except (redis_errors.RedisError, OSError):
                await asyncio.sleep(0.2)

    def _give(self, topic: bytes, message: bytes | None) -> None:
        for queue in self._readers.get(topic, ()):
            queue.put_nowait(message)


async def _any(queue: asyncio.Queue[bytes | None]) -> None:
    """Wait for a message, and take all that have come."""
    await queue.get()
    while not queue.empty():
        queue.get_nowait()
