"""Notes that a channel keeps for itself across restarts, such as how far it has read."""

import secrets
from typing import Any, Protocol, runtime_checkable

import orjson

from channels.keys import channel_keys
from core.store.store import Store


class AccountState(Protocol):
    """Named notes of one account."""

    async def get(self, name: str) -> Any:
        """The note, which JSON can hold; None if there is none."""
        ...

    async def put(self, name: str, note: Any, seconds: float = 0) -> None:
        """Keep the note, for so many seconds or until it is replaced."""
        ...

    async def secret(self) -> bytes:
        """Random bytes of this account's own, always the same."""
        ...


@runtime_checkable
class KeepsState(Protocol):
    """A channel that keeps notes; it is given their place before it is entered."""

    def keep_in(self, state: AccountState) -> None: ...


class StoredState:
    """The notes of one account in the store."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account

    async def get(self, name: str) -> Any:
        found = await self._store.run("GET", channel_keys(self._store).state(self._account, name))
        return orjson.loads(found) if found else None

    async def put(self, name: str, note: Any, seconds: float = 0) -> None:
        living = ("PX", int(seconds * 1000)) if seconds else ()
        await self._store.run("SET", channel_keys(self._store).state(self._account, name), orjson.dumps(note), *living)

    async def secret(self) -> bytes:
        key = channel_keys(self._store).state(self._account, "secret")
        await self._store.run("SET", key, orjson.dumps(secrets.token_hex(32)), "NX")
        return bytes.fromhex(str(await self.get("secret")))


class PassingState:
    """Notes for a channel that is only tried: they are gone with it."""

    def __init__(self) -> None:
        self._notes: dict[str, Any] = {}
        self._secret = secrets.token_bytes(32)

    async def get(self, name: str) -> Any:
        return self._notes.get(name)

    async def put(self, name: str, note: Any, seconds: float = 0) -> None:
        self._notes[name] = note

    async def secret(self) -> bytes:
        return self._secret
