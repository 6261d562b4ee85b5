"""The outbox: what was sent to a conversation, written down before and after it is sent."""

from channels.keys import channel_keys
from core.store.store import Store

NO_RECEIPT = ""
"""Stands for a receipt while nobody knows whether the platform has taken the message."""
OUTBOX_SECONDS = 30 * 86_400
"""Entries live this long after their last change."""


class Outbox:
    """The messages of one conversation, by what each was sent for (an atom) and part by part."""

    def __init__(self, store: Store, subscriber: str) -> None:
        self._store = store
        self._keys = channel_keys(store)
        self._subscriber = subscriber

    async def receipts(self, atom: str) -> list[str]:
        """The platform's name of each part so far; `NO_RECEIPT` where it is unknown whether the send was completed."""
        return [receipt.decode() for receipt in await self._store.run("LRANGE", self._entry(atom), 0, -1)]

    async def begin(self, atom: str) -> None:
        """A part is about to be sent."""
        entry = self._entry(atom)
        await self._store.together(["RPUSH", entry, NO_RECEIPT], ["EXPIRE", entry, OUTBOX_SECONDS])

    async def sent(self, atom: str, receipt: str) -> None:
        """The platform has taken the part that was begun last, and calls it `receipt`."""
        await self._store.together(
            ["LSET", self._entry(atom), -1, receipt],
            ["SET", self._keys.receipt(self._subscriber, receipt), atom, "EX", OUTBOX_SECONDS],
        )

    async def atom(self, receipt: str) -> str:
        """The atom that the platform's message shows; empty for a message that is none of ours."""
        found = await self._store.run("GET", self._keys.receipt(self._subscriber, receipt))
        return found.decode() if found else ""

    def _entry(self, atom: str) -> str:
        return self._keys.outbox(self._subscriber, atom)


class ShownMessages:
    """Which message shows each question, or each answer that is being written."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    async def all(self) -> dict[str, str]:
        """The platform's name of each message; `NO_RECEIPT` where it is unknown whether it was sent."""
        stored = await self._store.run("HGETALL", self._key)
        return {name.decode(): receipt.decode() for name, receipt in stored.items()}

    async def begin(self, name: str) -> None:
        """A message is about to be sent."""
        await self.sent(name, NO_RECEIPT)

    async def sent(self, name: str, receipt: str) -> None:
        await self._store.run("HSET", self._key, name, receipt)

    async def forget(self, name: str) -> None:
        await self._store.run("HDEL", self._key, name)

    async def clear(self) -> None:
        await self._store.run("DEL", self._key)
