"""The repository of whole spaces and agents, as exports read and imports write them: in the store's own form."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from core.atoms.atoms import OWNER
from core.store.codec import pack
from core.store.spaces import SpaceRegistry
from core.store.store import Argument, Store

Fields = dict[bytes, bytes]


class MovingStore:
    """Reads and writes what no handle gives: histories, grants and sessions whole."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def change_counts(self, names: Sequence[str]) -> list[int]:
        return [changes for changes, _ in await SpaceRegistry(self._store).change_counts(names)]

    async def space(self, name: str) -> tuple[Fields, Fields, Fields]:
        """The fields of a space, its grants and its subscribers."""
        keys = self._store.keys
        found = await self._store.together(
            ["HGETALL", keys.space(name)], ["HGETALL", keys.grants(name)], ["HGETALL", keys.subscribers(name)]
        )
        return found[0], found[1], found[2]

    async def atoms(self, space: str, ids: Sequence[str]) -> list[tuple[str, Fields, list[bytes], bytes | None]]:
        """For each atom its fields, its history and the end of its claim."""
        keys = self._store.keys
        commands: list[Sequence[Argument]] = [["HGETALL", keys.atom(space, id)] for id in ids]
        commands += [["LRANGE", keys.history(space, id), 0, -1] for id in ids]
        *stored, leases = await self._store.together(*commands, ["ZMSCORE", keys.claims(space), *ids])
        return list(zip(ids, stored[: len(ids)], stored[len(ids) :], leases, strict=True))

    async def agent(self, id: str) -> list[Any]:
        """An agent's session, ledger, label, rights and account."""
        keys = self._store.keys
        return await self._store.together(
            ["LRANGE", keys.session(id), 0, -1],
            ["HGETALL", keys.ledger(id)],
            ["GET", keys.label(id)],
            ["HGETALL", keys.rights(id)],
            ["HGETALL", keys.account(f"agent:{id}")],
        )

    async def cursors(self, subscriber: str) -> Fields:
        found: Fields = await self._store.run("HGETALL", self._store.keys.cursors(subscriber))
        return found

    def exists_command(self, name: str) -> list[Argument]:
        return ["HEXISTS", self._store.keys.space(name), "creator"]

    async def begin_space(self, name: str) -> None:
        await self._store.run("FCALL", "stoa_move_begin", 1, self._store.keys.space(name), self._store.now())

    async def write_atoms(self, space: str, atoms: Sequence[Sequence[Argument]]) -> None:
        """Each atom as the Function library takes it: id, patch, references, history, lease, then fields by name."""
        head = ("FCALL", "stoa_move_atom", 1, self._store.keys.space(space), self._store.now())
        await self._store.together(*([*head, *atom] for atom in atoms))

    async def write_changes(self, space: str, entries: Sequence[Sequence[str | bytes]]) -> None:
        key = self._store.keys.space(space)
        await self._store.run("FCALL", "stoa_move_changes", 1, key, self._store.now(), pack(entries))

    async def open_space(
        self, name: str, fields: Mapping[str, str], grants: Mapping[str, Any], subscribers: Mapping[str, str | bytes]
    ) -> None:
        """Let a space be seen: where to look comes first, then what is there."""
        registry = SpaceRegistry(self._store)
        await registry.add(name, OWNER.id)
        for holder in grants:
            await registry.add_holder(name, holder)
        call = ("FCALL", "stoa_move_end", 1, self._store.keys.space(name), self._store.now())
        await self._store.run(*call, pack(grants), pack(subscribers), *_flat(fields))
        await self._store.settle(name, background=True)  # what it refers to in other spaces

    async def has_agent(self, id: str) -> bool:
        return bool(await self._store.run("EXISTS", self._store.keys.agent(id)))

    async def write_agent(self, record: Mapping[str, object], session: Sequence[str], label: str) -> None:
        """An agent without its ledger, rights and account; its record comes last and makes it one."""
        keys, id = self._store.keys, str(record["id"])
        commands: list[Sequence[Argument]] = [["DEL", keys.session(id)]]
        commands += [["RPUSH", keys.session(id), *session]] if session else []
        commands += [["SET", keys.label(id), label]] if label else []
        await self._store.together(*commands)
        await self._store.run("JSON.SET", keys.agent(id), "$", orjson.dumps(record))
        if record.get("status") == "alive":
            await self._store.run("SADD", keys.agents(), id)

    async def write_fields(self, key: str, fields: Mapping[str, Argument]) -> None:
        """Replace a whole hash."""
        commands: list[Sequence[Argument]] = [["DEL", key]]
        commands += [["HSET", key, *_flat(fields)]] if fields else []
        await self._store.together(*commands)

    async def begin_cursors(self, subscriber: str, places: Mapping[str, int]) -> None:
        """A cursor that is here already stays: it is further on, or somebody else's."""
        key = self._store.keys.cursors(subscriber)
        commands: list[Sequence[Argument]] = [["HSETNX", key, space, seq] for space, seq in places.items()]
        await self._store.together(*commands)


def _flat(fields: Mapping[str, Argument]) -> list[Argument]:
    return [part for pair in fields.items() for part in pair]
