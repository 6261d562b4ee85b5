"""`stoa room`."""

from typing import Annotated

import typer

from bots.cli.opening import opened
from bots.cli.options import AsJson
from bots.cli.output import print_json, print_table, say
from channels.people.people import Room
from channels.people.rooms import Rooms
from channels.text import one_line
from core.errors import InvalidInput, NotFound
from core.store.store import Store

LISTENS = {
    "all": "listens to everything",
    "threads": "listens when mentioned and in its own threads",
    "mentions": "listens only when mentioned, also in its own threads",
}
NEVER = "never"
ANSWERS = {"anyone": "answers anyone there", "known": "answers only people you let in"}

RoomName = Annotated[str, typer.Argument(metavar="ROOM", help="An id from `stoa room list`, or the room's name.")]


async def room_list(as_json: AsJson = False) -> None:
    """List rooms and how Stoa behaves in each."""
    async with opened() as house:
        rooms = await Rooms(house.store).all()
    if as_json:
        print_json([room.model_dump() for room in rooms])
    elif rooms:
        print_table([(room.id, one_line(room.name, 80), _behaviour(room)) for room in rooms])
    else:
        say("There are no rooms yet. Mention Stoa in one; where somebody else does, you're asked.")


async def room_show(name: RoomName, as_json: AsJson = False) -> None:
    """Show how Stoa behaves in a room."""
    async with opened() as house:
        room = await _room(house.store, name)
    if as_json:
        print_json(room.model_dump())
    else:
        print_table([("room", room.id), ("name", one_line(room.name, 80) or "-"), ("stoa", _behaviour(room))])


async def room_set(
    name: RoomName,
    listen: Annotated[str, typer.Option(metavar="all|threads|mentions|never", help="What Stoa listens to there.")] = "",
    speakers: Annotated[str, typer.Option(metavar="anyone|known", help="Whom Stoa answers there.")] = "",
) -> None:
    """Let Stoa into a room, or change how it behaves there.

    With `all`, Stoa reads and keeps everything. With `threads`, the default, it reads messages that mention it, and
    its own threads. With `mentions`, it must be mentioned every time. With `never`, it reads and answers nothing
    there. With `known`, it answers only people you have let in.
    """
    if listen == NEVER:
        await room_block(name)
        return
    options = {"listen": (listen, LISTENS), "speakers": (speakers, ANSWERS)}
    for option, (value, allowed) in options.items():
        if value and value not in allowed:
            also = f" or {NEVER}" if option == "listen" else ""
            raise InvalidInput(f"--{option} is {' or '.join(allowed)}{also}, not {value!r}.")
    update = {option: value for option, (value, _) in options.items() if value}
    async with opened() as house:
        room = await _room(house.store, name, new=True)
        room = room.model_copy(update={**update, "status": "allowed"})
        await Rooms(house.store).save(room)
    say(f"{_title(room)}: {_behaviour(room)}.")


async def room_block(name: RoomName) -> None:
    """Keep Stoa out of a room.

    You aren't asked about it again.
    """
    async with opened() as house:
        room = await _room(house.store, name, new=True)
        await Rooms(house.store).save(room.model_copy(update={"status": "blocked"}))
    say(f"Blocked {_title(room)}; Stoa reads and answers nothing there.")


async def room_forget(name: RoomName) -> None:
    """Forget a room, so that you're asked about it again.

    Stoa asks you when somebody next mentions it there.
    """
    async with opened() as house:
        room = await _room(house.store, name)
        await Rooms(house.store).remove(room.id)
    say(f"Forgot {_title(room)}; Stoa asks you when somebody next mentions it there.")


async def _room(store: Store, name: str, *, new: bool = False) -> Room:
    """The room with this id or name; raises `NotFound`, or `InvalidInput` if several share the name."""
    rooms = await Rooms(store).all()
    found = [room for room in rooms if name == room.id] or [room for room in rooms if name.lstrip("#") == room.name]
    if len(found) > 1:
        raise InvalidInput(f"Several rooms are called {name!r}; use one of these ids: {', '.join(r.id for r in found)}")
    if found:
        return found[0]
    account, slash, conversation = name.partition("/")
    if new and account and slash and conversation:
        return Room(id=name, created=store.clock.now())
    raise NotFound(f"There is no room {name!r}. `stoa room list` lists them; name a new one as ACCOUNT/CONVERSATION.")


def _title(room: Room) -> str:
    return one_line(room.name or room.id)


def _behaviour(room: Room) -> str:
    return "blocked" if room.status == "blocked" else f"{LISTENS[room.listen]}, {ANSWERS[room.speakers]}"
