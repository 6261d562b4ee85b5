"""Registries: who talks to Stoa, and where, as an export carries them; what is in the records only channels know."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import get_args

import orjson
from pydantic import BaseModel, ValidationError

from core.backup.archive import MEMBERS, RECORD, RegistryLine
from core.errors import InvalidInput
from core.store.records import documents
from core.store.store import Argument, Store

Models = Mapping[str, type[BaseModel]]
"""What a record of each registry is, as whoever keeps them there knows."""
NAMED = (*get_args(RECORD), "bindings")
"""Registries of which there is one key for each id."""
TELLING = ("people", "rooms", "channel_accounts")
"""Registries that are there in every house that knows anybody."""


async def registries(store: Store) -> AsyncIterator[RegistryLine]:
    """All people, rooms, accounts on platforms and conversations there are; nothing secret is among them."""
    for of in get_args(RECORD):
        ids = await store.names(getattr(store.keys, of))
        found = await documents(store, [getattr(store.keys, of)(id) for id in ids])
        for id, record in zip(ids, found, strict=True):
            if record is not None:
                yield RegistryLine(of=of, id=id, record=orjson.loads(record))
    for of in get_args(MEMBERS):
        for id in await store.names(store.keys.bindings) if of in NAMED else [""]:
            if members := await store.run("SMEMBERS", _key(store, of, id)):
                yield RegistryLine(of=of, id=id, members=sorted(one.decode() for one in members))
    if fields := await store.run("HGETALL", store.keys.identities()):
        told = {account.decode(): person.decode() for account, person in sorted(fields.items())}
        yield RegistryLine(of="identities", fields=told)


def check_registry(line: RegistryLine, models: Models) -> None:
    """Raises `InvalidInput` for a line that no export has, and for a record that nobody could read."""
    held = (line.record is not None, bool(line.members), bool(line.fields))
    wanted = (line.of in get_args(RECORD), line.of in get_args(MEMBERS), line.of == "identities")
    if held != wanted or bool(line.id) != (line.of in NAMED) or (line.record and line.record.get("id") != line.id):
        raise InvalidInput(f"what it says of {line.of} {line.id!r} is not what an export says")
    if line.of in models:
        try:
            models[line.of].model_validate(line.record)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise InvalidInput(f"the record of {line.of} {line.id!r} cannot be read: {where} is not right") from None


async def knows_anybody(store: Store) -> bool:
    """Whether this house has people, rooms or accounts of its own, beside which no others are put."""
    return any(await store.together(*(["EXISTS", _key(store, of)] for of in TELLING)))


async def restore_registries(store: Store, lines: Sequence[RegistryLine]) -> None:
    """Write all of them, last those that say that the house knows anybody: until then an import can be begun again."""
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
    key: str = getattr(store.keys, of)(*([id] if id else []))
    return key
