"""Persons: who may talk to Stoa, each a record with the accounts that they write from."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from channels.keys import channel_keys
from channels.text import one_line
from core.atoms.atoms import OWNER, Origin, Principal
from core.errors import Conflict, InvalidInput, NotFound
from core.store.records import Records, documents, listed
from core.store.store import Store

PERSON_PREFIX = "person:"
MAX_PERSON_NAME_CHARS = 80
MAX_PERSON_ID_CHARS = 40
RESERVED_PERSON_IDS = ("owner", "house", "agent", "assistant", "scheduler")
FIND_PERSON = """local id = redis.call('HGET', KEYS[1], ARGV[1])
return id and redis.call('JSON.GET', KEYS[2] .. id)"""
SAVE_PERSON = """if (redis.call('JSON.GET', KEYS[2]) or '') ~= ARGV[2] then return 'changed' end
for i = 4, #ARGV do
  local holder = redis.call('HGET', KEYS[1], ARGV[i])
  if holder and holder ~= ARGV[1] then return 'taken ' .. ARGV[i] .. ' ' .. holder end
end
local known = redis.call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
  if known[i + 1] == ARGV[1] then redis.call('HDEL', KEYS[1], known[i]) end
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[2])
  redis.call('SREM', KEYS[3], ARGV[1])
  return ''
end
for i = 4, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], ARGV[1]) end
redis.call('JSON.SET', KEYS[2], '$', ARGV[3])
redis.call('SADD', KEYS[3], ARGV[1])
return ''"""
"""Keep a record, or with none take it away, unless it has changed since it was read or an account is another's."""


class Person(BaseModel):
    """Someone who may talk to Stoa, or may not any more; what they may do besides is what is shared with them."""

    model_config = ConfigDict(frozen=True)

    id: str
    """`owner`, or a name such as `ana`."""
    name: str = ""
    accounts: tuple[str, ...] = ()
    """Where they write from: `account/sender`, such as `slack/T1:U2`."""
    status: Literal["allowed", "blocked"] = "allowed"
    groups: tuple[str, ...] = ()
    preferred: str = ""
    """The account where reminders go; empty means the one they used last."""
    created: datetime = datetime.fromtimestamp(0, UTC)

    @property
    def chat(self) -> str:
        """The space of all their direct messages."""
        return "chat" if self.id == OWNER.id else f"chat-{self.id}"

    @property
    def principal(self) -> Principal:
        """As whom they act."""
        return OWNER if self.id == OWNER.id else Principal(f"{PERSON_PREFIX}{self.id}", Origin.OUTSIDE)


class Persons:
    """The registry of people. Every account belongs to one of them at most."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = channel_keys(store)
        self._records = Records(store, Person, self._keys.person)

    async def find(self, account: str) -> Person | None:
        """The person whose account `account/sender` is. One round trip, since every message asks."""
        keys = self._keys
        record = await self._store.run("EVAL_RO", FIND_PERSON, 2, keys.identities(), keys.person(""), account)
        return Person.model_validate_json(record) if record else None

    async def get(self, id: str) -> Person:
        """The person called `id`; raises `NotFound`."""
        person = await self._records.get(id)
        if person is None:
            raise NotFound(f"There is no person {id!r}. `stoa people list` shows them.")
        return person

    async def all(self) -> list[Person]:
        """Everybody, the owner first."""
        people = await listed(self._store, self._keys.people(), self._keys.person, Person)
        return sorted(people, key=lambda person: person.id != OWNER.id)

    async def add(
        self, name: str, accounts: Sequence[str] = (), status: Literal["allowed", "blocked"] = "allowed"
    ) -> Person:
        """A new person, with an id made of the name that nobody ever had; raises `Conflict` where an account is
        another's."""
        name = one_line(name, MAX_PERSON_NAME_CHARS)
        made = Person(
            id=await self._new_id(name), name=name, accounts=tuple(accounts), status=status, created=self._now()
        )
        await self._save(b"", made)
        return made

    async def save(self, person: Person) -> None:
        """Keep the record instead of the one before; raises `Conflict` where an account is another's."""
        while True:
            (before,) = await documents(self._store, [self._keys.person(person.id)])
            if await self._save(before or b"", person):
                return

    async def change(self, id: str, change: Callable[[Person], Person]) -> Person:
        """Change a record, whoever else does so meanwhile; raises `NotFound`, or `Conflict` as `save` does."""
        while True:
            (before,) = await documents(self._store, [self._keys.person(id)])
            if before is None:
                return await self.get(id)
            changed = change(Person.model_validate_json(before))
            if await self._save(before, changed):
                return changed

    async def link(self, id: str, account: str, name: str = "") -> Person:
        """Let an account be this person's; the owner is born with their first. Raises `Conflict`, `NotFound`."""
        if id == OWNER.id:
            born = Person(id=id, name=one_line(name, MAX_PERSON_NAME_CHARS), accounts=(account,), created=self._now())
            if await self._save(b"", born):
                return born
        return await self.change(
            id, lambda person: person.model_copy(update={"accounts": (*dict.fromkeys([*person.accounts, account]),)})
        )

    async def unlink(self, account: str) -> Person:
        """Let an account be nobody's again; raises `NotFound`."""
        person = await self.find(account)
        if person is None:
            raise NotFound(f"{account} is nobody's account. `stoa people list` shows whose is which.")
        rest = tuple(one for one in person.accounts if one != account)
        return await self.change(person.id, lambda known: known.model_copy(update={"accounts": rest}))

    async def remove(self, id: str) -> None:
        """Drop the record and unlink its accounts at once; the id is never given to anybody again."""
        await self.get(id)
        while True:
            (before,) = await documents(self._store, [self._keys.person(id)])
            if before is None or await self._save(before, Person(id=id), b""):
                return

    async def _save(self, before: bytes, person: Person, record: bytes | None = None) -> bool:
        """False if the record is not as it was `before` any more."""
        keys = self._keys
        text = person.model_dump_json().encode() if record is None else record
        names = (keys.identities(), keys.person(person.id), keys.people())
        said = await self._store.run("EVAL", SAVE_PERSON, len(names), *names, person.id, before, text, *person.accounts)
        if said.startswith(b"taken"):
            _, account, holder = said.decode().split(" ", 2)
            raise Conflict(
                f"{account} is the account of {holder!r} already. `stoa people forget {account}` unlinks it there; "
                "then it can be linked anew."
            )
        return bool(said == b"")

    async def _new_id(self, name: str) -> str:
        """An id that nobody has or ever had: what was shared with one who is gone must not be another's, nor must a
        space that is there already, such as the owner's `chat-bob`, become the chat of a Bob."""
        wanted = slug(name)
        number = 1
        while True:
            id = wanted if number == 1 else f"{wanted}-{number}"
            taken = id in RESERVED_PERSON_IDS or await self._store.run(
                "SISMEMBER", self._store.keys.spaces(), Person(id=id).chat
            )
            if not taken and await self._store.run("SADD", self._keys.people_ever(), id):
                return id
            number += 1

    def _now(self) -> datetime:
        return self._store.clock.now().astimezone(UTC)


def key_of(account: str, sender: str) -> str:
    """The name of a sender on an account, all over the house."""
    return f"{account}/{sender}"


def slug(name: str) -> str:
    """A name as an id: small letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_PERSON_ID_CHARS].strip("-") or "guest"


def check_name(name: str, what: str) -> str:
    """A name that was given, fit to be kept; raises `InvalidInput` for one with nothing to read."""
    found = one_line(name, MAX_PERSON_NAME_CHARS)
    if not found:
        raise InvalidInput(f"{what} has no name to be read; give one of at most {MAX_PERSON_NAME_CHARS} characters.")
    return found
