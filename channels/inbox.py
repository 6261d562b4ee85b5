"""The inbox of an account: what people wrote, written down once, before the platform is told that we have it."""

import dataclasses
from datetime import datetime
from typing import Any

import orjson

from channels.contract import File, InboundMessage
from core.store import Store

REMEMBERED = 3 * 86_400
"""Seconds for which a message that is told again is known again."""
KEEP = """if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return false end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[3], ARGV[3], ARGV[4]) end
return redis.call('XADD', KEYS[2], '*', 'm', ARGV[2])"""
PAGE = 500


class Inbox:
    """The messages of one account that are not dealt with yet, in the order they came."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account
        self._key = store.keys.inbox(account)

    async def keep(self, message: InboundMessage) -> str:
        """Write the message down; answers its place, or nothing where it was told before."""
        seen = self._store.keys.seen(self._account, f"{message.kind} {message.version} {message.id}")
        keys = (seen, self._key, self._store.keys.newest(self._account))
        newest = message.id if message.kind == "message" else ""
        data = written(message)
        place = await self._store.run("EVAL", KEEP, 3, *keys, REMEMBERED, data, message.conversation, newest)
        return place.decode() if place else ""

    async def play(self, message: InboundMessage) -> str:
        """Write a message down that was told before and is to be taken now."""
        return str((await self._store.run("XADD", self._key, "*", "m", written(message))).decode())

    async def done(self, place: str) -> None:
        """The message at this place is dealt with."""
        await self._store.run("XDEL", self._key, place)

    async def waiting(self) -> list[tuple[str, InboundMessage]]:
        """What is written down and not dealt with, oldest first, each with its place."""
        found: list[tuple[str, InboundMessage]] = []
        start = "-"
        while entries := await self._store.run("XRANGE", self._key, start, "+", "COUNT", PAGE):
            found += [(place.decode(), read(fields[1])) for place, fields in entries]
            start = f"({found[-1][0]}"
        return found

    async def newest(self, conversation: str) -> str:
        """What the platform calls the message of a conversation that was written down last; empty for none."""
        found = await self._store.run("HGET", self._store.keys.newest(self._account), conversation)
        return found.decode() if found else ""


def written(message: InboundMessage) -> bytes:
    """A message as JSON."""
    return orjson.dumps({name: value for name, value in dataclasses.asdict(message).items() if value})


def read(data: bytes) -> InboundMessage:
    """The message that `written` wrote."""
    known: dict[str, Any] = orjson.loads(data)
    blank = {"conversation": "", "sender": "", "text": "", "id": "", "addressed": False}
    files = tuple(File(**file) for file in known.pop("files", ()))
    sent = known.pop("sent", None)
    moment = datetime.fromisoformat(sent) if sent else None
    return InboundMessage(**{**blank, **known}, files=files, sent=moment)
