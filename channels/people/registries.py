"""Registries: the records of people, rooms, accounts and conversations, as an export carries them."""

from collections.abc import AsyncIterator, Mapping, Sequence

import orjson
from pydantic import BaseModel, ValidationError

from channels.keys import channel_keys
from core.backup.archive import RegistryLine
from core.errors import InvalidInput
from core.store.records import documents
from core.store.store import Argument, Store

RECORDS = ("person", "room", "channel_account", "binding")
"""Registries with one record for each id, named as in `ChannelKeys`."""
MEMBERS = ("people", "people_ever", "rooms", "channel_accounts", "bindings")
"""Registries that are a set of ids."""
FIELDS = ("identities",)
NAMED = (*RECORDS, "bindings")
"""Registries with one key for each id."""
TELLING = ("people", "rooms", "channel_accounts")
"""Registries that exist wherever anybody is known."""


class Registries:
    """Exports, checks and restores the registries; `models` say what each record has to be."""

    def __init__(self, models: Mapping[str, type[BaseModel]]) -> None:
        self._models = models

    async def lines(self, store: Store) -> AsyncIterator[RegistryLine]:
        """Everything in the registries; there are no secrets in them."""
        keys = channel_keys(store)
        for of in RECORDS:
            ids = await store.names(getattr(keys, of))
            found = await documents(store, [_key(store, of, id) for id in ids])
            for id, record in zip(ids, found, strict=True):
                if record is not None:
                    yield RegistryLine(of=of, id=id, record=orjson.loads(record))
        for of in MEMBERS:
            for id in await store.names(keys.bindings) if of in NAMED else [""]:
                if members := await store.run("SMEMBERS", _key(store, of, id)):
                    yield RegistryLine(of=of, id=id, members=sorted(one.decode() for one in members))
        if fields := await store.run("HGETALL", keys.identities()):
            told = {account.decode(): person.decode() for account, person in sorted(fields.items())}
            yield RegistryLine(of="identities", fields=told)

    def check(self, line: RegistryLine) -> list[tuple[str, str]]:
        """Which rights the line gives, as who and what; raises `InvalidInput` for a line that no export has."""
        held = (line.record is not None, bool(line.members), bool(line.fields))
        wanted = (line.of in RECORDS, line.of in MEMBERS, line.of in FIELDS)
        named = bool(line.id) == (line.of in NAMED)
        if held != wanted or not any(wanted) or not named or (line.record and line.record.get("id") != line.id):
            raise InvalidInput(f"what it says of {line.of} {line.id!r} is not what an export says")
        if line.of in self._models:
            try:
                self._models[line.of].model_validate(line.record)
            except ValidationError as error:
                where = ".".join(map(str, error.errors()[0]["loc"]))
                raise InvalidInput(f"the record of {line.of} {line.id!r} cannot be read: {where} is wrong") from None
        rooms = [(line.id, "to speak as a room")] if line.of == "room" else []
        return [*rooms, *((account, f"to speak as {person}") for account, person in line.fields.items())]

    async def in_use(self, store: Store) -> bool:
        """True where people, rooms or accounts are known already; then no others are restored beside them."""
        return any(await store.together(*(["EXISTS", _key(store, of)] for of in TELLING)))

    async def restore(self, store: Store, lines: Sequence[RegistryLine]) -> None:
        """Write all lines. Those that put the registries in use come last, so that a broken import can start again."""
        for telling in (False, True):
            await store.together(*(_written(store, line) for line in lines if (line.of in TELLING) == telling))


def _written(store: Store, line: RegistryLine) -> Sequence[Argument]:
    key = _key(store, line.of, line.id)
    if line.record is not None:
        return ["JSON.SET", key, "$", orjson.dumps(line.record)]
    if line.members:
        return ["SADD", key, *line.members]
    return ["HSET", key, *(part for pair in line.fields.items() for part in pair)]


def _key(store: Store, of: str, id: str = "") -> str:
    key: str = getattr(channel_keys(store), of)(*([id] if id else []))
    return key
