"""Pairing: short codes that link an account to a person, and a bound on how often somebody may guess."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from channels.keys import channel_keys
from core.store.codec import milliseconds
from core.store.store import Store

CODE_ALPHABET = "BCDFGHJKMNPQRSTVWXZ3479"
"""No vowels, so that no word is taken for a code, and nothing that reads like another."""
CODE_CHARS = 8
CODE = re.compile(rf"([{CODE_ALPHABET}]{{4}})-?([{CODE_ALPHABET}]{{4}})")
CODE_LIFETIME = timedelta(hours=1)
"""A code can be used for so long."""
TRIES_WINDOW = timedelta(hours=1)
"""Within which time wrong codes are counted, and for how long none is looked at after too many."""
MAX_WRONG_CODES = 5
"""So many wrong codes of one sender are looked at. Nobody counts the codes of all: that would let strangers keep the
owner from linking, and guessing one of 23^8 codes takes more senders than there are."""
CODES_KEPT_SECONDS = 7_200
COUNT_TRY = """local now, window, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tries, count = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #tries, 2 do
  local at = tonumber(tries[i + 1])
  if tries[i] == 'locked' then
    if at > now then return 0 end
    redis.call('HDEL', KEYS[1], 'locked')
  elseif at <= now - window then redis.call('HDEL', KEYS[1], tries[i])
  elseif tries[i] ~= ARGV[4] then count = count + 1 end
end
if count >= most then return 0 end
redis.call('HSET', KEYS[1], ARGV[4], now)
if count + 1 >= most then redis.call('HSET', KEYS[1], 'locked', now + window) end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1"""
"""Count a try before it is looked at, so that many at once are no more than one after the other."""

FORGIVE_TRY = """redis.call('HDEL', KEYS[1], ARGV[1], 'locked')"""
CLAIM_CODE = """local kept = redis.call('HGET', KEYS[1], ARGV[1])
if not kept then return 0 end
local ticket = cjson.decode(kept)
if ticket.by and ticket.by ~= ARGV[2] then return 0 end
ticket.by = ARGV[2]
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(ticket))
return 1"""
"""The first to say a code has it; saying it again, after an answer that was lost, is no other use of it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Links an account to this person, until a time."""

    digest: str
    person: str
    until: datetime


class Pairing:
    """The codes that can be used at present, stored as digests, and the tries of late."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def issue(self, person: str) -> str:
        """A new code that links one account to this person, within an hour."""
        keys, now = channel_keys(self._store), self._store.clock.now()
        known = await self._store.run("HGETALL", keys.codes())
        over = [field for field, value in known.items() if orjson.loads(value).get("until", 0) <= milliseconds(now)]
        if over:
            await self._store.run("HDEL", keys.codes(), *over)
        code, salt = new_code(), secrets.token_hex(8)
        ticket = orjson.dumps({"person": person, "until": milliseconds(now + CODE_LIFETIME)})
        await self._store.run("HSET", keys.codes(), f"{salt}:{digest(salt, code)}", ticket)
        await self._store.run("EXPIRE", keys.codes(), CODES_KEPT_SECONDS)
        return code

    async def look(self, code: str) -> Ticket | None:
        """The ticket that a code stands for, if it is valid; valid or not, it takes as long."""
        now, found = milliseconds(self._store.clock.now()), None
        for field, value in (await self._store.run("HGETALL", channel_keys(self._store).codes())).items():
            salt, _, kept = field.decode().partition(":")
            ticket = orjson.loads(value)
            if hmac.compare_digest(digest(salt, code), kept) and ticket["until"] > now:
                until = datetime.fromtimestamp(ticket["until"] / 1000, self._store.clock.zone)
                found = Ticket(field.decode(), ticket["person"], until)
        return found

    async def claim(self, ticket: Ticket, account: str) -> bool:
        """Use a code for this account; False if another has used it."""
        return bool(
            await self._store.run("EVAL", CLAIM_CODE, 1, channel_keys(self._store).codes(), ticket.digest, account)
        )

    async def revoke(self, account: str) -> None:
        """Let no code that was used for this account be used for it again."""
        codes = channel_keys(self._store).codes()
        known = (await self._store.run("HGETALL", codes)).items()
        if used := [field for field, ticket in known if orjson.loads(ticket).get("by") == account]:
            await self._store.run("HDEL", codes, *used)

    async def may_try(self, sender: str, message: str) -> bool:
        """Count a try by this very message; False if the sender has said too many wrong codes, so none is looked at."""
        now, window = milliseconds(self._store.clock.now()), milliseconds_of(TRIES_WINDOW)
        counted = (now, window, MAX_WRONG_CODES, f"tried {message}", CODES_KEPT_SECONDS)
        return bool(await self._store.run("EVAL", COUNT_TRY, 1, channel_keys(self._store).tries(sender), *counted))

    async def forgive(self, sender: str, message: str) -> None:
        """The try by this message was right, so it does not count."""
        await self._store.run("EVAL", FORGIVE_TRY, 1, channel_keys(self._store).tries(sender), f"tried {message}")


def new_code() -> str:
    """A random code: 36 bits, as `KXQM-7TPZ`."""
    code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_CHARS))
    return f"{code[:4]}-{code[4:]}"


def spelled(text: str) -> str | None:
    """The code that a text is, in the one way it is spelled; None for a text that is anything else."""
    found = CODE.fullmatch(text.strip().upper()) if len(text) < 100 else None
    return f"{found[1]}-{found[2]}" if found else None


def same(one: str, other: str) -> bool:
    """True for equal codes; takes the same time wherever they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def digest(salt: str, code: str) -> str:
    """The digest that is kept of a code."""
    return hashlib.blake2b(code.encode(), salt=bytes.fromhex(salt), digest_size=32).hexdigest()


def milliseconds_of(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
