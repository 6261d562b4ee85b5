"""Repositories of what lies beside the spaces: their names, who holds something in them, and how far each has read."""

from collections.abc import Sequence
from typing import Any

from core.atoms.atoms import OWNER
from core.store.codec import unpack
from core.store.store import Argument, Store


class SpaceRegistry:
    """The names of all spaces, and for each principal those to look in. Where to look, never a right."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def names(self) -> list[str]:
        return await self.held_ever(OWNER.id)

    async def held_ever(self, principal: str) -> list[str]:
        """The spaces in which the principal was ever given something, also what has ended since."""
        found = await self._store.run(*self.held_ever_command(principal))
        return sorted(name.decode() for name in found)

    def held_ever_command(self, principal: str) -> list[Argument]:
        keys = self._store.keys
        return ["SMEMBERS", keys.spaces() if principal == OWNER.id else keys.held(principal)]

    async def add(self, name: str, creator: str) -> None:
        """To be called before the space is made: where to look comes first, then what is there."""
        await self._store.run("SADD", self._store.keys.spaces(), name)
        await self.add_holder(name, creator)

    async def add_holder(self, name: str, principal: str) -> None:
        await self._store.run("SADD", self._store.keys.held(principal), name)

    async def grants(self, name: str) -> dict[str, list[list[Any]]]:
        """The grants on a space as they are kept, by who holds them: [giver, level, until, delegate, id] each."""
        stored = await self._store.run("HGETALL", self._store.keys.grants(name))
        return {principal.decode(): unpack(packed) for principal, packed in stored.items()}

    async def remove(self, name: str, atoms: Sequence[str]) -> None:
        """Remove a space that was made for a moment, with these atoms of its."""
        keys, run = self._store.keys, self._store.run
        of_space = (keys.changes, keys.grants, keys.subscribers, keys.unembedded, keys.claims, keys.errands)
        more = (keys.abroad, keys.descriptions, keys.space)
        await run("SREM", keys.spaces(), name)
        for atom in atoms:
            await run("UNLINK", keys.atom(name, atom), keys.history(name, atom), keys.referrers(name, atom))
        await run("UNLINK", *(key(name) for key in (*of_space, *more)))

    async def with_ended_claims(self) -> list[str]:
        names, now = await self.names(), self._store.now()
        commands: list[Sequence[Argument]] = [["ZCOUNT", self._store.keys.claims(name), "-inf", now] for name in names]
        counts = await self._store.together(*commands)
        return [name for name, count in zip(names, counts, strict=True) if count]

    async def owing(self, names: Sequence[str]) -> list[str]:
        keys = self._store.keys
        left = await self._store.together(
            *(["EXISTS", keys.errands(n), keys.unembedded(n), keys.contexts(n)] for n in names)
        )
        return [name for name, found in zip(names, left, strict=True) if found]

    async def has_errands(self, name: str) -> bool:
        return bool(await self._store.run("EXISTS", self._store.keys.errands(name)))

    async def change_counts(self, names: Sequence[str]) -> list[tuple[int, str]]:
        """For each space the number of its changes and the name of its own index."""
        keys = self._store.keys
        known = await self._store.together(*(["HMGET", keys.space(name), "seq", "own"] for name in names))
        return [(int(changes or 0), (own or b"").decode()) for changes, own in known]

    async def set_own_index(self, name: str, index: str) -> None:
        await self._store.run("HSET", self._store.keys.space(name), "own", index)


class Cursors:
    """For each subscriber and space, the last change that was dealt with."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, subscriber: str, space: str) -> int | None:
        """The number of the last change dealt with; None if the subscriber never began."""
        seq = await self._store.run("HGET", self._store.keys.cursors(subscriber), space)
        return None if seq is None else int(seq)

    async def begin(self, subscriber: str, space: str, seq: int) -> None:
        await self._store.run("HSETNX", self._store.keys.cursors(subscriber), space, seq)

    async def advance(self, subscriber: str, space: str, seq: int, *, known: bool = False) -> None:
        """Everything up to `seq` is dealt with. A cursor never goes back; with `known` none begins."""
        keys = self._store.keys
        names = (keys.lane(subscriber), keys.lease(subscriber), keys.cursors(subscriber))
        await self._store.run("FCALL", "stoa_advance", len(names), *names, space, seq, int(known))

    async def forget(self, subscriber: str, space: str) -> None:
        await self._store.run("HDEL", self._store.keys.cursors(subscriber), space)
