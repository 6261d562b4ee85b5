"""Admission requests: strangers and rooms that wait for the owner, with the messages they sent meanwhile."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from channels.contract import InboundMessage
from channels.keys import channel_keys
from channels.text import visible
from core.atoms.atoms import id_from
from core.store.records import Records, documents
from core.store.store import Store
from core.trust.access_requests import plain, quoted
from core.trust.approvals import NO, Choice

Kind = Literal["person", "room"]

MAX_WAITING_REQUESTS = 3
"""So many of a kind may wait on one account; the next is told nothing and not kept."""
MAX_KEPT_MESSAGES = 20
MAX_KEPT_BYTES = 100_000
"""Bounds on the messages kept of one who waits; bytes are of all together, as JSON."""
BEGIN_REQUEST = """if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
local count = 0
for _, waiting in ipairs(redis.call('HVALS', KEYS[1])) do
  if waiting == ARGV[2] then count = count + 1 end
end
if count >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1"""
KEEP_WITH_REQUEST = """if redis.call('EXISTS', KEYS[2]) == 0 then return -1 end
local size = #ARGV[1]
for _, kept in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if kept == ARGV[1] then return 1 end
  size = size + #kept
end
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[2]) or size > tonumber(ARGV[3]) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[1])
return 1"""
CORRECT_KEPT = """local at, size = redis.call('LPOS', KEYS[1], ARGV[1]), #ARGV[2] - #ARGV[1]
for _, kept in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do size = size + #kept end
if at and ARGV[2] ~= '' and size <= tonumber(ARGV[3]) then redis.call('LSET', KEYS[1], at, ARGV[2])
elseif at and ARGV[2] == '' then redis.call('LREM', KEYS[1], 1, ARGV[1]) end"""
FINISH_REQUEST = """for i = 1, #ARGV do redis.call('LREM', KEYS[1], 1, ARGV[i]) end
if redis.call('LLEN', KEYS[1]) > 0 then return 0 end
redis.call('DEL', KEYS[2])
return 1"""
MESSAGES = TypeAdapter(InboundMessage)


class AdmissionRequest(BaseModel):
    """Somebody nobody knows, or a room we never were in, about whom the owner is asked."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind = "person"
    account: str = ""
    sender: str = ""
    name: str = ""
    """The sender's name on the platform."""
    conversation: str = ""
    """Where it was; of a room its own, also for a thread in it."""
    room: str = ""
    """The room's name; empty in a direct message."""
    text: str = ""
    """The beginning of their first message."""
    first: str = ""
    """The platform's id of that message."""
    code: str = ""
    """Told to the stranger, so that the owner can recognise them. It opens nothing by itself: the owner has to say it,
    so it is kept as it is."""
    code_until: datetime = datetime.fromtimestamp(0, UTC)
    status: Literal["waiting", "admitted"] = "waiting"
    asked: datetime = datetime.fromtimestamp(0, UTC)
    until: datetime = datetime.fromtimestamp(0, UTC)
    """When no answer has become a no."""


class AdmissionRequests:
    """Those who wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records = Records(store, AdmissionRequest, channel_keys(store).admission_request)

    async def begin(self, request: AdmissionRequest) -> AdmissionRequest | None:
        """The request, as it was begun first; None where too many wait already."""
        counted = f"{request.account} {request.kind}"
        call = (
            "EVAL",
            BEGIN_REQUEST,
            1,
            channel_keys(self._store).admission_requests(),
            request.id,
            counted,
            MAX_WAITING_REQUESTS,
        )
        if not await self._store.run(*call):
            return None
        if known := await self._records.get(request.id):
            return known
        await self._records.save(request)
        await self._store.run("HSETNX", channel_keys(self._store).admission_requests(), request.id, counted)
        return request

    async def find(self, id: str) -> AdmissionRequest | None:
        """The request called `id`, if there is one."""
        return await self._records.get(id)

    async def all(self) -> list[AdmissionRequest]:
        """Everybody who waits for the owner, or for what they wrote to be played; the oldest first."""
        ids = [id.decode() for id in await self._store.run("HKEYS", channel_keys(self._store).admission_requests())]
        found = await documents(self._store, [channel_keys(self._store).admission_request(id) for id in ids])
        return sorted(
            (AdmissionRequest.model_validate_json(one) for one in found if one), key=lambda request: request.asked
        )

    async def admit(self, request: AdmissionRequest) -> AdmissionRequest:
        """The owner said yes: it waits only to be played."""
        admitted = request.model_copy(update={"status": "admitted"})
        await self._records.save(admitted)
        await self._store.run("HSET", channel_keys(self._store).admission_requests(), request.id, "admitted")
        return admitted

    async def keep(self, request: AdmissionRequest, message: InboundMessage) -> bool | None:
        """Keep a message with the request, once; False if there is no room for it, None if the request is over."""
        call = (*self._keys(request.id), MESSAGES.dump_json(message), MAX_KEPT_MESSAGES, MAX_KEPT_BYTES)
        kept = int(await self._store.run("EVAL", KEEP_WITH_REQUEST, 2, *call))
        return None if kept < 0 else bool(kept)

    async def correct(self, id: str, message: InboundMessage) -> None:
        """Somebody has edited or deleted what was kept of them; what has become too large stays as it was."""
        key = channel_keys(self._store).kept_messages(id)
        for kept in await self._store.run("LRANGE", key, 0, -1):
            before = MESSAGES.validate_json(kept)
            if (before.id, before.sender) != (message.id, message.sender):
                continue
            now = MESSAGES.dump_json(replace(before, text=message.text)) if message.kind == "edit" else b""
            await self._store.run("EVAL", CORRECT_KEPT, 1, key, kept, now, MAX_KEPT_BYTES)

    async def kept(self, request: AdmissionRequest) -> tuple[InboundMessage, ...]:
        """The kept messages, the oldest first."""
        texts = await self._store.run("LRANGE", channel_keys(self._store).kept_messages(request.id), 0, -1)
        return tuple(MESSAGES.validate_json(text) for text in texts)

    async def finish(self, id: str, messages: Sequence[InboundMessage]) -> bool:
        """Forget these messages, and with the last one the request; False if others came meanwhile."""
        texts = [MESSAGES.dump_json(message) for message in messages]
        if not await self._store.run("EVAL", FINISH_REQUEST, 2, *self._keys(id), *texts):
            return False
        await self._store.run("HDEL", channel_keys(self._store).admission_requests(), id)
        return True

    async def drop(self, id: str) -> None:
        """Forget a request and what came with it."""
        await self._store.run("DEL", *self._keys(id))
        await self._store.run("HDEL", channel_keys(self._store).admission_requests(), id)

    async def late(self) -> list[AdmissionRequest]:
        """Those whose time is over and who wait still; whatever is left of others that are gone is forgotten."""
        now, found = self._store.clock.now(), []
        for id in await self._store.run("HKEYS", channel_keys(self._store).admission_requests()):
            request = await self._records.get(id.decode())
            if request is None:
                await self.drop(id.decode())
            elif request.status == "waiting" and request.until <= now:
                found.append(request)
        return found

    def _keys(self, id: str) -> tuple[str, str]:
        return channel_keys(self._store).kept_messages(id), channel_keys(self._store).admission_request(id)


def request_id(kind: Kind, place: str) -> str:
    """The name of a request: the same sender, or the same room, is one."""
    return id_from(f"{kind} {place}")


ALLOW = Choice("allow", "Let them in")
BLOCK = Choice("block", "Block them")
ROOM = Choice(ALLOW.id, "Let me into the room")
NEVER = Choice(BLOCK.id, "Never in this room")
ADMISSION_CHOICES: dict[Kind, tuple[Choice, ...]] = {
    "person": (ALLOW, BLOCK, Choice(NO.id, "Not now")),
    "room": (ROOM, NEVER, Choice(NO.id, "Not now")),
}
"""The owner's answers about each kind; yes means the first."""
CODE_ACCEPTED = "Thanks! This account is linked now, and I know you here as {name}."
CODE_UNKNOWN = (
    "I don't know that code. Each code works once and for an hour. Ask for a new one where you got it, and send it "
    "here as it is."
)
NO_OWNER_YET = (
    "If you are the one who set me up, send me the code that `stoa setup` showed; `stoa people link` makes a new one."
)
CODE_TOLD = "I told them the code {code}; if somebody you know tells you that code, it's them."
MAX_QUOTED_CHARS = 1_500


def stranger_greeting(request: AdmissionRequest, kept: bool) -> str:
    """The answer to a stranger, or in a room, once; with a code only where nobody else reads it."""
    then = (
        "I've kept your message and will answer it as soon as they agree."
        if kept
        else "Your message is too long for me to keep, so please send it again once they agree."
    )
    if request.room:
        what = "whether I may talk in this room" if request.kind == "room" else "whether I may talk to you"
        return f"Hello! I've asked my owner {what}. {then}"
    return (
        f"Hello! I only talk to people my owner has let in, so I've asked about you. {then}\n\n"
        f"If you know my owner, tell them this code, so they know it's you: "
        f"**{request.code}** (it is valid for an hour)."
    )


def admission_question(request: AdmissionRequest) -> str:
    """The question to the owner: who, where, and their first message word for word."""
    name = quoted(request.name) if request.name else "Somebody without a name"
    who = f"{name} ({plain(f'{request.account}/{request.sender}', 200)})"
    place = f"the room {quoted(request.room)} ({plain(f'{request.account}/{request.conversation}', 200)})"
    if request.kind == "room":
        begins = f"{who} speaks to me in {place}, where I have never been."
        asks = (
            "Should I take part? I'd answer people who mention me, and see and tell nothing of your spaces. For "
            f"`stoa people allow` the code is {request.code}."
        )
    else:
        begins = f"{who}, whom I don't know, wrote to me {f'in {place}' if request.room else 'directly'}."
        asks = "Should I let them in? They can then talk to me, but see nothing of yours until you share it. " + (
            f"For `stoa people allow` the code is {request.code}."
            if request.room
            else CODE_TOLD.format(code=request.code)
        )
    return f"{begins}\n\n{fenced(request.text)}\n\n{asks}"


def fenced(text: str) -> str:
    """Somebody's words in a block that nothing in them can end or style."""
    shown = visible(text)
    shown = shown if len(shown) <= MAX_QUOTED_CHARS else shown[: MAX_QUOTED_CHARS - 1] + "…"
    ticks = max((len(found) for found in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}\n{shown or '(no text)'}\n{fence}"
