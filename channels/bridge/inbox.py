"""The inbox of an account: what people wrote, written down once, before the platform is told that we have it."""

import dataclasses
from datetime import datetime
from typing import Any

import orjson

from channels.contract import File, InboundMessage, InboundPassage
from channels.keys import channel_keys
from core.store.store import Store

VOICE_COUNT_SECONDS = 2 * 86_400
SEEN_SECONDS = 3 * 86_400
"""Seconds for which a message that is told again is known again."""
KEEP_MESSAGE = """if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return false end
for i = 4, #ARGV do redis.call('HSET', KEYS[3], ARGV[i], ARGV[3]) end
return redis.call('XADD', KEYS[2], '*', 'm', ARGV[2])"""
INBOX_PAGE_MESSAGES = 500
MESSAGE_FIELDS = frozenset(field.name for field in dataclasses.fields(InboundMessage))
MAX_RECENT_CONVERSATIONS = 50
"""In how many conversations, those last spoken in, is looked for what was missed."""


class Inbox:
    """The messages of one account that are not dealt with yet, in the order they came."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account
        self._key = channel_keys(store).inbox(account)

    async def keep(self, message: InboundMessage) -> str:
        """Write the message down; answers its place, or nothing where it was told before."""
        seen = channel_keys(self._store).seen(self._account, f"{message.kind} {message.version} {message.id}")
        keys = (seen, self._key, channel_keys(self._store).newest(self._account))
        places = [message.conversation] if message.kind == "message" and not message.passing else []
        if places and message.parent and not message.reply_to:  # it begins a thread, and so was said beside it, too
            places.append(message.parent)
        newest = f"{self._store.now()} {message.id}"
        data = encoded_message(message)
        place = await self._store.run("EVAL", KEEP_MESSAGE, len(keys), *keys, SEEN_SECONDS, data, newest, *places)
        return place.decode() if place else ""

    async def play(self, message: InboundMessage) -> str:
        """Write a message down that was told before and is to be taken now."""
        return str((await self._store.run("XADD", self._key, "*", "m", encoded_message(message))).decode())

    async def done(self, place: str) -> None:
        """The message at this place is dealt with."""
        await self._store.run("XDEL", self._key, place)

    async def waiting(self) -> list[tuple[str, InboundMessage]]:
        """The messages that are not dealt with, oldest first, each with its place."""
        found: list[tuple[str, InboundMessage]] = []
        start = "-"
        while entries := await self._store.run("XRANGE", self._key, start, "+", "COUNT", INBOX_PAGE_MESSAGES):
            found += [(place.decode(), decoded_message(fields[1])) for place, fields in entries]
            start = f"({found[-1][0]}"
        return found

    async def recent(self) -> list[tuple[str, str]]:
        """Where something was said in the last days, the newest first, and what the platform calls that message."""
        key, now = channel_keys(self._store).newest(self._account), self._store.now()
        found = [(place, *said.split(b" ", 1)) for place, said in (await self._store.run("HGETALL", key)).items()]
        if old := [place for place, when, _ in found if int(when) < now - SEEN_SECONDS * 1000]:
            await self._store.run("HDEL", key, *old)
        found.sort(key=lambda one: int(one[1]), reverse=True)
        return [(place.decode(), id.decode()) for place, _, id in found[:MAX_RECENT_CONVERSATIONS] if place not in old]


async def count_voice_note(store: Store) -> int:
    """Count a voice note of a guest; answers how many were heard today."""
    today = channel_keys(store).heard(f"{store.clock.now():%Y-%m-%d}")
    heard, _ = await store.together(["INCR", today], ["EXPIRE", today, VOICE_COUNT_SECONDS])
    return int(heard)


def encoded_message(message: InboundMessage) -> bytes:
    """A message as JSON."""
    return orjson.dumps({name: value for name, value in dataclasses.asdict(message).items() if value})


def decoded_message(data: bytes) -> InboundMessage:
    """The message that `encoded_message` wrote."""
    known: dict[str, Any] = orjson.loads(data)
    blank = {"conversation": "", "sender": "", "text": "", "id": "", "addressed": False}
    files = tuple(File(**file) for file in known.pop("files", ()))
    passages = tuple(InboundPassage(**passage) for passage in known.pop("passages", ()))
    about = tuple((str(name), str(value)) for name, value in known.pop("about", ()))
    sent = known.pop("sent", None)
    moment = datetime.fromisoformat(sent) if sent else None
    told = {name: value for name, value in known.items() if name in MESSAGE_FIELDS}  # a newer process may write more
    return InboundMessage(**{**blank, **told}, files=files, passages=passages, sent=moment, about=about)
