"""What Slack has told and nobody has taken yet; it is acknowledged when it is taken."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass

from channels.contract import InboundMessage, Undeliverable, Unusable

MAX_TAKEN_KEYS = 5_000
"""How many names of taken messages are known, so that what is told again is not offered again."""

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
        """Offer what `reading` makes of something told, and return when it is taken.

        What has the same name as something that was taken, or waits, is that. Raises what `reading` raises for want of
        a network, or of an account that can be used.
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
        """Let whoever takes messages know that no more will come."""
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
            log.warning("something that Slack told cannot be taken: %s", error)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            log.warning("Slack told something that is not as Slack tells it: %r", error)
        return None

    def _refuse(self, offer: _Offer, error: Exception) -> None:
        """What could not be read now is not taken: whoever offered it learns why."""
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
