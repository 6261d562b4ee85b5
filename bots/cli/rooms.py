"""`stoa room`: in which rooms Stoa takes part, and how it behaves in each."""

import typer

from bots.cli.output import opened, print_json, print_table
from channels.people.people import Room
from channels.people.rooms import Rooms
from channels.text import one_line
from core.errors import InvalidInput, NotFound
from core.store.store import Store

LISTENS = {"mentions": "listens when mentioned and in its threads", "all": "listens to everything"}
ANSWERS = {"anyone": "answers anyone there", "known": "answers known people only"}


async def list_all(as_json: bool) -> None:
    """Every room that was decided about."""
    async with opened() as house:
        rooms = await Rooms(house.store).all()
    if as_json:
        print_json([room.model_dump() for room in rooms])
    elif rooms:
        print_table([(one_line(room.id), one_line(room.name, 80), _behaviour(room)) for room in rooms])
    else:
        typer.echo("There are no rooms yet. Mention Stoa in one; where others do, you are asked.")


async def change(name: str, listen: str, speakers: str) -> None:
    """How Stoa behaves in a room."""
    asked = {"listen": (listen, LISTENS), "speakers": (speakers, ANSWERS)}
    for option, (given, known) in asked.items():
        if given and given not in known:
            raise InvalidInput(f"--{option} is {' or '.join(known)}, not {given!r}.")
    update = {option: given for option, (given, _) in asked.items() if given}
    async with opened() as house:
        room = (await _found(house.store, name, new=True)).model_copy(update={**update, "status": "allowed"})
        await Rooms(house.store).save(room)
    typer.echo(f"{one_line(room.name or room.id)}: {_behaviour(room)}.")


async def block(name: str) -> None:
    """Never take part in a room."""
    async with opened() as house:
        room = await _found(house.store, name, new=True)
        await Rooms(house.store).save(room.model_copy(update={"status": "blocked"}))
    typer.echo(f"{one_line(room.name or room.id)} is blocked: nothing there is taken or answered.")


async def forget(name: str) -> None:
    """Forget what was decided about a room."""
    async with opened() as house:
        room = await _found(house.store, name)
        await Rooms(house.store).remove(room.id)
    typer.echo(f"{one_line(room.name or room.id)} is forgotten; who mentions Stoa there next makes it ask you.")


async def _found(store: Store, name: str, *, new: bool = False) -> Room:
    """The room of this id, or the one of this name; raises `NotFound`, and `InvalidInput` where several are."""
    rooms = await Rooms(store).all()
    found = [room for room in rooms if name == room.id] or [room for room in rooms if name.lstrip("#") == room.name]
    if len(found) > 1:
        raise InvalidInput(f"{name!r} is the name of {', '.join(room.id for room in found)}; say which.")
    if found:
        return found[0]
    account, slash, conversation = name.partition("/")
    if new and account and slash and conversation:
        return Room(id=name, created=store.clock.now())
    raise NotFound(f"There is no room {name!r}. `stoa room list` shows them; name a new one as ACCOUNT/CONVERSATION.")


def _behaviour(room: Room) -> str:
    if room.status == "blocked":
        return "blocked"
    return f"{LISTENS[room.listen]}, {ANSWERS[room.speakers]}"
