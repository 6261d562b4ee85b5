"""Slack's messages that nobody has taken yet. Each is acknowledged once it is taken."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass

from channels.contract import InboundMessage, Undeliverable, Unusable

MAX_TAKEN_KEYS = 5_000
"""Messages that are told again within so many are not offered again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Offer:
    name: str
    reading: "asyncio.Task[InboundMessage | None]"
    taken: "asyncio.Future[None]"


class Intake:
    """A queue in the order of arrival, in which each message waits until it is taken."""

    def __init__(self) -> None:
        self._waiting: deque[_Offer] = deque()
        self._open: dict[str, _Offer] = {}
        self._taken: OrderedDict[str, None] = OrderedDict()
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None

    async def offer(self, name: str, reading: Coroutine[None, None, InboundMessage | None]) -> None:
        """Offer a message and return when it is taken; one of the same name that was taken or waits is the same.

        Raises the `OSError` or `Unusable` that `reading` raises.
        """
        if name in self._taken:
            reading.close()
            return
        if name in self._open:
            reading.close()
        else:
            offer = _Offer(name, asyncio.ensure_future(reading), asyncio.get_running_loop().create_future())
            self._open[name] = offer
            self._waiting.append(offer)
            self._changed.set()
        await asyncio.shield(self._open[name].taken)

    def add(self, message: InboundMessage) -> None:
        """Put a message of our own making at the end."""

        async def read() -> InboundMessage:
            return message

        reading, taken = asyncio.ensure_future(read()), asyncio.get_running_loop().create_future()
        offer = self._open[message.id] = _Offer(message.id, reading, taken)
        self._waiting.append(offer)
        self._changed.set()

    def fail(self, error: BaseException) -> None:
        """End `messages` with this error."""
        self._failure = error
        self._changed.set()

    async def messages(self) -> AsyncIterator[InboundMessage]:
        """Each message; it is taken when the next one is asked for, and one that was not comes again."""
        self._failure = None
        while True:
            while not self._waiting:
                if self._failure:
                    raise self._failure
                self._changed.clear()
                await self._changed.wait()
            offer = self._waiting[0]
            try:
                message = await self._read(offer)
            except (OSError, Unusable) as error:
                self._refuse(offer, error)
                if isinstance(error, Unusable):
                    raise
                continue
            if message:
                yield message
            self._take(offer)

    async def _read(self, offer: _Offer) -> InboundMessage | None:
        try:
            return await asyncio.shield(offer.reading)
        except Undeliverable as error:
            log.warning("an event of Slack cannot be taken: %s", error)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            log.warning("Slack sent an event of an unknown shape: %r", error)
        return None

    def _refuse(self, offer: _Offer, error: Exception) -> None:
        """Give up a message that cannot be read now; `offer` raises the reason, so Slack tells it again."""
        self._waiting.remove(offer)
        del self._open[offer.name]
        if not offer.taken.done():
            offer.taken.set_exception(error)

    def _take(self, offer: _Offer) -> None:
        self._waiting.remove(offer)
        del self._open[offer.name]
        self._taken[offer.name] = None
        if len(self._taken) > MAX_TAKEN_KEYS:
            self._taken.popitem(last=False)
        if not offer.taken.done():
            offer.taken.set_result(None)

    def close(self) -> None:
        """Give up what waits; Slack tells it again."""
        for offer in self._waiting:
            offer.reading.cancel()
            offer.taken.cancel()
        self._waiting.clear()
        self._open.clear()
