"""Rooms: the conversations of a platform in which others read along, and how Stoa behaves in each."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from channels.keys import channel_keys
from core.errors import NotFound
from core.store.records import Records, listed
from core.store.store import Store


class Room(BaseModel):
    """A room the owner has decided about. What is not here is a room where Stoa says nothing."""

    model_config = ConfigDict(frozen=True)

    id: str
    """`account/conversation`, such as `slack/C024BE91L`."""
    name: str = ""
    status: Literal["allowed", "blocked"] = "allowed"
    listen: Literal["mentions", "threads", "all"] = "threads"
    """`mentions`: only what names Stoa is taken. `threads`: what stands in the threads it was called into, too. `all`:
    everything."""
    speakers: Literal["anyone", "known"] = "anyone"
    """Whom Stoa answers there: anyone in the room, or only people that the owner has let in."""
    created: datetime = datetime.fromtimestamp(0, UTC)

    @property
    def account(self) -> str:
        """The account that is in the room."""
        return self.id.partition("/")[0]


class Rooms:
    """The registry of rooms."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = channel_keys(store)
        self._records = Records(store, Room, self._keys.room)

    async def find(self, account: str, conversation: str) -> Room | None:
        """The room, if the owner has decided about it; one round trip."""
        return await self._records.get(f"{account}/{conversation}")

    async def get(self, id: str) -> Room:
        """The room `account/conversation`; raises `NotFound`."""
        room = await self._records.get(id)
        if room is None:
            raise NotFound(f"There is no room {id!r}. `stoa room list` shows those that were decided about.")
        return room

    async def all(self) -> list[Room]:
        return await listed(self._store, self._keys.rooms(), self._keys.room, Room)

    async def save(self, room: Room) -> None:
        """Keep the record instead of the one before."""
        await self._store.run("SADD", self._keys.rooms(), room.id)
        await self._records.save(room)

    async def remove(self, id: str) -> None:
        """Forget what was decided; whoever mentions Stoa there next makes it ask anew. Raises `NotFound`."""
        await self.get(id)
        await self._store.run("DEL", self._keys.room(id))
        await self._store.run("SREM", self._keys.rooms(), id)
