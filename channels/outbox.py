"""The outbox of one conversation: an entry before each send, a receipt after it, and an explicit unknown in between."""

from core.store import Store

UNKNOWN = ""
"""What stands for a receipt while nobody knows whether the platform has taken the message."""
REMEMBERED = 30 * 86_400
"""Seconds an entry stays after its last change."""


class Outbox:
    """What has been sent to one conversation, by what it was sent for (an atom) and part by part."""

    def __init__(self, store: Store, subscriber: str) -> None:
        self._store = store
        self._subscriber = subscriber

    async def receipts(self, atom: str) -> list[str]:
        """What the platform called each part so far; `UNKNOWN` where a send was begun and its end is not known."""
        return [receipt.decode() for receipt in await self._store.run("LRANGE", self._entry(atom), 0, -1)]

    async def begin(self, atom: str) -> None:
        """A part is about to be sent."""
        await self._store.together(["RPUSH", self._entry(atom), UNKNOWN], ["EXPIRE", self._entry(atom), REMEMBERED])

    async def sent(self, atom: str, receipt: str) -> None:
        """The platform has taken the part that was begun last, and calls it `receipt`."""
        await self._store.together(
            ["LSET", self._entry(atom), -1, receipt],
            ["SET", self._store.keys.receipt(self._subscriber, receipt), atom, "EX", REMEMBERED],
        )

    async def atom(self, receipt: str) -> str:
        """Which atom the platform's message shows; empty where none of ours is known by that name."""
        found = await self._store.run("GET", self._store.keys.receipt(self._subscriber, receipt))
        return found.decode() if found else ""

    def _entry(self, atom: str) -> str:
        return self._store.keys.outbox(self._subscriber, atom)
